"""When a worker stops, and when it stops its VM. Pure."""
