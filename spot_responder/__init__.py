"""Spot Responder: brings evicted Azure Spot VMs back. Pure rooms in the middle, Azure only in ``clients``."""
