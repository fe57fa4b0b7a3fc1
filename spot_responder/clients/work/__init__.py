"""The ports to work queues, implemented with Azure's SDKs; ``connections.py`` opens them."""
