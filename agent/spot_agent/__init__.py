"""The agent inside a Spot VM: hears what is about to happen to it, drains it, and lets its work go on afterwards."""
