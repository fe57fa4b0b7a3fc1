"""Tests of ``localazure.demo``."""
