"""What somebody creates at ARM, beside what a world begins with: groups, VMs, storage, topics, rights, locks."""
