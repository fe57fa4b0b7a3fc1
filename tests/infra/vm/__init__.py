"""What is put onto VMs: the package, its installer, what fetches it, and the VM application."""
