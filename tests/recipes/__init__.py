"""The recipes of the agent, as they stand in ``agent/recipes`` and ``docs/recipes.md``."""
