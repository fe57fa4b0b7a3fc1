"""The recipes of ``agent/recipes`` played with the real software: what each loses in an eviction. ``make recipes``."""
