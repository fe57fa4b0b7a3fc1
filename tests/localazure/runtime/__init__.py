"""Tests of ``localazure.runtime``."""
