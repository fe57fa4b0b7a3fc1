"""Which size a VM comes back as."""
