"""The operator's commands: each reads what it needs through the doors, and gives an answer for people and programs."""
