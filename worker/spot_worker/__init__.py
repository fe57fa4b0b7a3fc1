"""Runs the jobs of a storage queue so that none is lost when their VM is evicted."""

from spot_worker.job import Checkpoint, Job, Permanent, RefusedError, Stopped

__all__ = ["Checkpoint", "Job", "Permanent", "RefusedError", "Stopped"]
