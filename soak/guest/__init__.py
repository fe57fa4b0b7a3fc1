"""A real Linux as the inside of a VM: agent and worker are installed in it, and it loses its power again and again."""
