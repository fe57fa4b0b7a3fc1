"""Azure Resource Manager over HTTPS: access, resources, limits. Started by ``laptop.py``."""
