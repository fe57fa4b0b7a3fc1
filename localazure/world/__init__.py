"""The world that all fronts read: VMs, time, capacity, prices, and what happens to VMs."""
