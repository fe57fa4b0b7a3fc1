"""What Azure offers: sizes, which of them a VM can become, their prices and quotas. Pure."""
