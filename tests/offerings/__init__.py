"""Tests of ``offerings``."""
