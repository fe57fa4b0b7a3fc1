"""Virtual machines as Azure Resource Manager writes and reads them. Called by ``arm.py``."""
