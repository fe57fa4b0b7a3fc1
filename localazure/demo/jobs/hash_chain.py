"""The job of the demo, as a team would write it: a chain of hashes. A link that was left out, or made twice, shows.

It is copied onto the disks of the VMs, where ``spot-worker run hash_chain:work`` finds it. ``scenario.py`` submits
such jobs and knows their results.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spot_worker import Job

LINK_TAKES_S = 0.25


def work(job: Job) -> dict[str, Any]:
    """Make a chain of so many links; go on where an earlier attempt has saved, at the link ``began_at``."""
    wanted: dict[str, Any] = job.body
    chain: Any = job.checkpoint.load() or {"links": 0, "last": str(wanted["number"])}
    began_at = chain["links"]
    while chain["links"] < wanted["links"]:
        time.sleep(LINK_TAKES_S)
        chain = {"links": chain["links"] + 1, "last": next_link(chain["last"])}
        if job.checkpoint.due or job.stop_requested:
            job.checkpoint.save(chain)
    return {"number": wanted["number"], "last": chain["last"], "began_at": began_at}


def next_link(last: str) -> str:
    """Make the link that follows."""
    return hashlib.sha256(last.encode()).hexdigest()


def last_link(number: int, links: int) -> str:
    """Say what a whole chain ends with."""
    last = str(number)
    for _ in range(links):
        last = next_link(last)
    return last
