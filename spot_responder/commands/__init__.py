"""The operator's commands, a module each, called by ``cli.py``.

Each reads through the ports that ``run.py`` opens, and gives a ``CommandResult`` that is written as text or JSON.
"""
