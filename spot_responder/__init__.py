"""Spot Responder: restarts evicted Azure Spot VMs.

``function_app.py`` calls ``responder`` for each message; ``cli.py`` has the operator's commands. Only ``clients``
imports Azure's SDKs.
"""
