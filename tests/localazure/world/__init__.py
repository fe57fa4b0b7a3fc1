"""Tests of ``localazure.world``."""
