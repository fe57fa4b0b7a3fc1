"""The ports of ``responder/ports.py`` and ``operators/ports.py``, implemented with Azure's SDKs.

No other package imports ``azure.*``; ``connections.py`` and ``operator_connections.py`` open the ports.
"""
