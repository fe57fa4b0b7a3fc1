"""Where the agent touches the world: files, processes, sockets and clocks. Decisions are made elsewhere."""
