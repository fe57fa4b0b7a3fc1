"""What each command's answer goes through: the result, the console for people, the standard streams, and Ctrl-C.

Called by ``commands``, ``cli.py`` and ``__main__.py``.
"""
