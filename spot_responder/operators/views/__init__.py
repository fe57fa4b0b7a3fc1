"""What is said to a person, read from what was gathered. Pure."""
