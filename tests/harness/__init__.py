"""What several tests stand on: stories in virtual time, a laptop Azure for commands, fronts, payload makers."""
