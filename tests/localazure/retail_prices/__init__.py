"""Tests of ``localazure.retail_prices``."""
