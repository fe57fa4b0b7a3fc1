"""The commands about what Azure offers: prices and sizes. Called by ``cli.py``."""
