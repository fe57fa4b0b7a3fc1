"""Tests of ``localazure.virtual``."""
