"""The processes that run the function: how they are started, spoken to, and ended with all that they have started."""
