"""The Functions host around Microsoft's Python worker: triggers, settings, restarts. Started by ``laptop.py``."""
