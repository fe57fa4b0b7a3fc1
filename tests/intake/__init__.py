"""Tests of ``intake``."""
