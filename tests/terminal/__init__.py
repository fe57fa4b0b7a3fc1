"""How a result is written, and how a command is interrupted."""
