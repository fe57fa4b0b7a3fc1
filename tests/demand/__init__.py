"""Tests of what a work queue asks for."""
