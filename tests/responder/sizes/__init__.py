"""A VM comes back as another size."""
