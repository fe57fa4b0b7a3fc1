"""How a VM whose size has no capacity may come back as another one that its owner has named. Pure."""
