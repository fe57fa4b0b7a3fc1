"""What a worker runs with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spot_worker.deciding.record.budgets import Budgets

if TYPE_CHECKING:
    from spot_worker.deciding.names import Places
    from spot_worker.deciding.stops.own_stop import OwnStop


@dataclass(frozen=True)
class Settings:
    """Where the jobs are, who we are, and how much is done. ``is_once``: one job, then the worker ends.

    ``name`` tells several workers of one VM apart; a VM's only one needs none. ``own_stop``: when the worker stops its
    VM for want of work, if it does.
    """

    places: Places
    vm: str
    boot_id: str
    slots: int = 1
    visibility_s: int = 30
    budgets: Budgets = field(default_factory=Budgets)
    is_once: bool = False
    until_empty: bool = False
    name: str = ""
    own_stop: OwnStop | None = None
