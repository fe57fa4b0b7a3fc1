"""Tests of ``localazure.guests``."""
