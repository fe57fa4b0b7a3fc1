"""Azure in virtual time, for soak and bench: the real app over doubles of the SDK clients, days within milliseconds."""
