"""The command `trial`, which is about Azure and not about the app."""
