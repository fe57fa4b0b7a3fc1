"""Tests of ``localazure.resource_manager``."""
