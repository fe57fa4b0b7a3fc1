"""Tests of ``localazure.event_grid``."""
