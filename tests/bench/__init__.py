"""The bench: each contender plays to the end."""
