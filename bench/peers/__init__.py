"""Others that bring VMs back, each described from what it does: same SDK calls, same limits, same worlds."""
