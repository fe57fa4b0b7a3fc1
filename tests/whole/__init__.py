"""Tests of ``whole``."""
