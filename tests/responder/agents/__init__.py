"""Tests of what agents tell the responder."""
