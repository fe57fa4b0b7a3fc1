"""The commands of ``spot-worker``."""
