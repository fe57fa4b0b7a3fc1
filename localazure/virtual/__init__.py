"""Azure in virtual time: the real app over doubles of the SDK clients, for days within milliseconds."""
