"""Tests of what a trial makes of what it saw, and of what it takes out."""
