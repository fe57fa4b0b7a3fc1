"""Tests of the laptop Azure."""
