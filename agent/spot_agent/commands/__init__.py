"""What a person asks on the VM: each command reads, and prints for people or (``--json``) for programs."""
