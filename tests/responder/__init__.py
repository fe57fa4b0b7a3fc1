"""Tests of ``responder``."""
