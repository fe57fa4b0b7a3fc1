"""The inside of a VM: its metadata service, what Azure announces there, and the programs that run in it."""
