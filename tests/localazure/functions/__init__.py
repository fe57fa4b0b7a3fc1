"""Tests of ``localazure.functions``."""
