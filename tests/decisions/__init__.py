"""Tests of ``decisions``."""
