"""Event Grid: system topics, filters, delivery, dead letters, the custom topic."""
