"""The part ``work`` of the bench: VMs that are started for jobs, by the responder and by simpler rules."""
