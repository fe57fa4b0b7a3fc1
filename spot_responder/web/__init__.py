"""The status page, over HTTP. Called by ``function_app.py``."""
