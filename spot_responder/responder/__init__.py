"""From a signal to what is done about its VM: gather, decide, act. Composed and called by ``function_app.py``."""
