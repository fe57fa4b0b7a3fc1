"""What runs in the environments of the software: its jobs, and how they are submitted."""
