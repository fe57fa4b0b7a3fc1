"""Tests: stories in the user's words."""
