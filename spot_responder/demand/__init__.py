"""What a work queue asks for: which VMs are to be started, and why. Pure."""
