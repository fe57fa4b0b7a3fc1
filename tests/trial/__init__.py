"""The trial: its judges, its record of what it created, its evidence, and whole trials in the laptop Azure."""
