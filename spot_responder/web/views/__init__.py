"""The status page as HTML. Pure; called by ``web/status.py``."""
