"""Counts how long VMs are up for a work queue, and how long of that they have nothing to do, from look to look. Pure.

Looks come each minute while a VM is up. What lies before the first and after the last look at a VM that is up is not
counted: up to two minutes each time. Called by ``decide_demand.py``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.demand.looks import UpTime

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from spot_responder.demand.looks import VmWatch, Watch

DAYS_KEPT: Final = 8
"""For the figures of seven days, of which the first may have begun in the middle of a day."""


def up_times(before: Watch, vms: Mapping[str, VmWatch], now: datetime) -> tuple[UpTime, ...]:
    """Add the time since the look before. ``vms``: what this look sees of them."""
    since = before.looked_at
    if since is None or since >= now:
        return before.up_times
    pairs = [(was, vms[key]) for key, was in before.vms.items() if key in vms]
    up = sum(was.up_since is not None and is_.up_since is not None for was, is_ in pairs)
    idle = sum(was.idle_since is not None and was.idle_since == is_.idle_since for was, is_ in pairs)
    today = now.date()
    day = next((each for each in before.up_times if each.day == today), UpTime(today, timedelta(), timedelta()))
    added = UpTime(today, day.up + up * (now - since), day.idle + idle * (now - since))
    first = today - timedelta(days=DAYS_KEPT - 1)
    kept = (each for each in before.up_times if first <= each.day < today)
    return (*kept, added)
