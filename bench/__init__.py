"""Figures: latency, storm, outage, growth, and peers side by side. ``make bench`` runs all of it."""
