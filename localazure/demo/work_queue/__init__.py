"""The demo's work queue: VMs that are down until jobs arrive, and deallocate themselves when none are left."""
