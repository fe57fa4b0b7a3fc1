"""The operator's commands: each reads what it needs through the ports, and gives an answer for people and programs."""
