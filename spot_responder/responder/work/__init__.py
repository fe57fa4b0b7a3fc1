"""What only VMs that serve work queues need: looks at the queues, and what they tell of a VM."""
