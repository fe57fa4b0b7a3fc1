"""The worker kit beside its peers: the same jobs, the same evictions, real processes, Azurite."""
