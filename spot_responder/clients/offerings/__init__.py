"""Clients of what Azure offers, beside ARM and Resource Graph. Opened by ``operator_connections.py``."""
