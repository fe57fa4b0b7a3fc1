"""What ``install.py`` does on a VM: Python 3.9 or newer, standard library only."""
