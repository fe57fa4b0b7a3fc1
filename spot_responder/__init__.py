"""Spot Responder: brings evicted Azure Spot VMs back. Pure packages in the middle, Azure only in ``ports``."""
