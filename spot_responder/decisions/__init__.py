"""What to do about one VM, and why. Pure."""
