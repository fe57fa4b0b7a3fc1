"""The demo's jobs: three VMs with workers that are evicted in the middle, and the picture of who worked on what."""
