"""All of Azure in virtual time, with the app in it. Started by soak, bench and tests."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from localazure.virtual.app import App, Deployment
from localazure.virtual.clock import VirtualClock
from localazure.virtual.event_grid import NoEventFaults, event_grid
from localazure.virtual.wire import NoFaults
from localazure.world.durations import Durations
from localazure.world.world import World

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from types import TracebackType
    from typing import Self

    from localazure.resource_manager.limits import Limits
    from localazure.virtual.event_grid import EventFaultPlan
    from localazure.virtual.wire import FaultPlan


class VirtualAzure:
    """A world, the app, and the events between them. Use it in a ``with``: its event loop must be closed.

    Without ``fault_plan`` and ``event_fault_plan`` nothing goes wrong; without ``limits`` nobody counts requests.
    """

    def __init__(  # noqa: PLR0913 - each is one thing that can be set
        self,
        begin: datetime,
        deployment: Deployment,
        *,
        chance: Random | None = None,
        durations: Durations | None = None,
        fault_plan: FaultPlan | None = None,
        event_fault_plan: EventFaultPlan | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Begin at a time, with nothing in it."""
        chance = chance or Random(0)  # noqa: S311 - no secret
        self.world = World(begin, durations or Durations())
        self.clock = VirtualClock(begin, self.world)
        self.app = App(self.world, self.clock, deployment, fault_plan or NoFaults(), chance=chance, limits=limits)
        self.world.listen(event_grid(self.app, event_fault_plan or NoEventFaults()))

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End all that still runs."""
        self.clock.close()

    def run_until(self, moment: datetime) -> None:
        """Let everything happen up to a time."""
        self.clock.run_until(moment)

    def run_for(self, duration: timedelta) -> None:
        """Let everything happen for so long."""
        self.clock.run_until(self.clock.now() + duration)
