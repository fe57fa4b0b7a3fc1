"""What the laptop Azure runs on: Azurite, certificates, identity, processes. Started by ``laptop.py``."""
