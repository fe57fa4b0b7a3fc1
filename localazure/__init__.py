"""Azure on a laptop: for rehearsal, tests and benchmarks. Never deployed."""
