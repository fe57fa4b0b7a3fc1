"""Tests of the doors to Azure."""
