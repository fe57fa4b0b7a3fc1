"""A VM comes back as another size: what Azure offers, and whose pools are asked. Called by ``responder.py``."""
