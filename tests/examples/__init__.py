"""The examples: what an interrupted job comes to."""
