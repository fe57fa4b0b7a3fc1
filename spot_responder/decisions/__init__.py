"""What to do about one VM, and why. Pure: ``responder`` calls it, with time and chance as arguments."""
