"""How the worker stops, and its VM with it."""
