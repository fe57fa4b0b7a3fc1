"""Real workers on Azurite, killed again and again amid their jobs."""
