"""The words of the stories about the virtual Azure, and how a story says what goes wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final

from localazure.event_grid.azure_events import DeliverySchema, azure_event
from localazure.virtual.app import Deployment
from localazure.virtual.azure import VirtualAzure
from localazure.virtual.wire import Death, Fate, RequestKind
from localazure.world.azure_errors import Refused
from localazure.world.world import World
from spot_responder.clients.rows.table_rows import recovery_from_row, recovery_key
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import Policy
from spot_responder.decisions.publishing.published_events import CLOSED_TYPE
from spot_responder.intake.vms import VmId
from tests.harness.makers import TEN

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from localazure.resource_manager.limits import Limits
    from localazure.virtual.storage import Message, Table
    from localazure.world.durations import Durations
    from localazure.world.happenings import Happening
    from localazure.world.machines import Machine
    from localazure.world.market import PoolGate
    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.demand.work_queues import WorkQueue
    from spot_responder.responder.ports import Ports
    from spot_responder.settings import Settings

    type NewAzure = Callable[..., StoryAzure]

TAG: Final = {"AttemptRestartAfterEviction": "true"}
MOMENT: Final = timedelta(seconds=0.5)
"""Longer than what happens at once takes."""

AT_ONCE: Final = Fate(0.0)
NO_ANSWER: Final = Fate(0.0, is_answered=False)
"""It is done, but nobody is told: the client waits half a minute in vain."""
NO_TOKEN: Final = Fate(0.0, has_token=False)
"""Nothing is sent: whoever gives tokens is out."""
DEATH_BEFORE: Final = Fate(0.0, death=Death.BEFORE)
DEATH_AFTER: Final = Fate(0.0, death=Death.AFTER)
DENIED: Final = Refused(403, "AuthorizationFailed", "as Azure words it")


def refused(refusal: Refused) -> Fate:
    """Make a passage that ends with Azure's no."""
    return Fate(0.0, refusal=refusal)


@dataclass(slots=True)
class _Turn:
    """How the next requests of a kind fare that are about something."""

    request_kind: RequestKind
    about: str
    fate: Fate
    times: int
    meanwhile: Callable[[], object]


@dataclass(slots=True)
class Script:
    """How requests and events fare: well and at once, until the story says otherwise."""

    lost: Callable[[Happening], bool] = lambda _: False
    lag: timedelta = timedelta()
    graph_is_blind: bool = False
    tells_power_state: bool = True
    _turns: list[_Turn] = field(default_factory=list)

    def next(
        self,
        request_kind: RequestKind,
        fate: Fate = AT_ONCE,
        *,
        about: str = "",
        times: int = 1,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        """Say how the next requests fare, and what happens in the world while each is on its way.

        ``about`` is how their target begins: ``history/``, ``recoveries/``.
        """
        self._turns.append(_Turn(request_kind, about, fate, times, meanwhile))

    def forget(self) -> None:
        """Let all go well again."""
        self._turns.clear()

    def of(self, request_kind: RequestKind, target: str) -> Fate:
        """Say how a request fares."""
        turn = next(
            (turn for turn in self._turns if turn.request_kind is request_kind and target.startswith(turn.about)), None
        )
        if turn is None:
            return AT_ONCE
        turn.times -= 1
        if not turn.times:
            self._turns.remove(turn)
        turn.meanwhile()
        return turn.fate

    def graph_lag(self) -> timedelta:
        """Say how far Resource Graph is behind."""
        return self.lag

    def hides_row(self, _vm_id: str) -> bool:
        """Whether Resource Graph sees nothing."""
        return self.graph_is_blind

    def hides_power_state(self, _vm_id: str) -> bool:
        """Whether ARM does not tell power states."""
        return not self.tells_power_state

    def delays(self, happening: Happening) -> Sequence[timedelta]:
        """Deliver an event after a second, or lose it."""
        return () if self.lost(happening) else (timedelta(seconds=1),)


class Middling(Random):
    """Chance that always falls in the middle, so that the stories' times are known."""

    def random(self) -> float:
        """Give the middle."""
        return 0.5


class StoryAzure:
    """A virtual Azure from ten o'clock on, in which nothing takes time on the way but what the script says."""

    def __init__(  # noqa: PLR0913 - each is one thing that can be set
        self,
        policy: Policy | None = None,
        *,
        dry_run: bool = False,
        sweep_every: timedelta = timedelta(minutes=15),
        durations: Durations | None = None,
        clock_error: timedelta = timedelta(),
        work_queues: Sequence[WorkQueue] = (),
        limits: Limits | None = None,
    ) -> None:
        """Begin at ten, with nothing in it."""
        self.script = Script()
        self.deployment = Deployment(
            policy or Policy(),
            sweep_every=sweep_every,
            polling=timedelta(),
            dry_run=dry_run,
            clock_errors=(clock_error,),
            work_queues=tuple(work_queues),
        )
        self._azure = VirtualAzure(
            TEN,
            self.deployment,
            chance=Middling(),
            durations=durations,
            fault_plan=self.script,
            event_fault_plan=self.script,
            limits=limits,
        )
        self.world, self.clock = self._azure.world, self._azure.clock
        self.app, self.storage = self._azure.app, self._azure.app.storage
        self.failures: list[Exception] = []
        self.app.failed = lambda _, error: self.failures.append(error)

    @property
    def now(self) -> datetime:
        """Give the time."""
        return self.clock.now()

    @property
    def settings(self) -> Settings:
        """Give the app's settings."""
        return self.app.settings

    @property
    def messages(self) -> list[Message]:
        """Give what is on the queue."""
        return self.app.messages

    @property
    def history(self) -> list[Recovery]:
        """Give the closed recoveries, in the order they were written."""
        return [recovery_from_row(row) for row, _ in self.storage.history.rows.values()]

    def ports(self) -> Ports:
        """Open the ports for somebody beside the app."""
        return self.app.ports(lambda: None)

    def add_vm(self, name: str = "render-1", **fields: Any) -> Machine:  # noqa: ANN401 - whatever a VM has
        """Add a tagged Spot VM that runs."""
        return self.world.add_vm(name, **{"tags": TAG, **fields})

    def pool_key(self, name: str = "render-1") -> PoolGate:
        """Give the world's name of a VM's pool."""
        return self.world.machine(name).pool

    def recovery(self, name: str = "render-1") -> Recovery:
        """Give the row of a VM."""
        return recovery_from_row(self.row(name)[0])

    def row(self, name: str = "render-1") -> tuple[Mapping[str, Any], str]:
        """Give the row of a VM as the table holds it, and its ETag."""
        return self.storage.recoveries.rows[recovery_key(VmId.parse(self.world.machine(name).vm_id))]

    def run_until(self, moment: datetime) -> None:
        """Let everything happen up to a time."""
        self._azure.run_until(moment)

    def put(self, event: Mapping[str, object], delay: timedelta = timedelta()) -> None:
        """Put an event on the queue."""
        self.app.put(json.dumps(event), delay)

    def tell(self, happening: Happening) -> None:
        """Put the event on the queue that tells of something, now: of what befell the world, or did not."""
        self.put(azure_event(happening, "told", self.now).written(DeliverySchema.CLOUD_EVENTS))

    def handle(self, event: Mapping[str, object]) -> None:
        """Put an event on the queue, and let the app answer it."""
        self.put(event)
        self._azure.run_for(MOMENT)

    def sweep(self) -> None:
        """Let the timer fire now."""
        self.app.sweep()
        self._azure.run_for(MOMENT)

    def do[T](self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Do something beside the app."""
        return self.clock.complete(coroutine)

    def redeploy(self, *, dry_run: bool) -> None:
        """Deploy the app anew, with or without a dry run."""
        self.app.redeploy(replace(self.deployment, dry_run=dry_run))

    def close(self) -> None:
        """End it."""
        self.clock.close()


def starts(azure: StoryAzure, name: str = "render-1") -> list[str]:
    """Give the times at which starts were asked for, accepted or not."""
    return [f"{call.at:%H:%M:%S}" for call in azure.world.machine(name).start_calls]


def outcomes(azure: StoryAzure) -> list[Outcome]:
    """Give the outcomes that were told."""
    closings = (event for event in azure.storage.heard if event.type == CLOSED_TYPE)
    return [Outcome(str((event.data or {})["outcome"])) for event in closings]


def notices(azure: StoryAzure) -> list[str]:
    """Give what was told of open recoveries: the VM, and the notice."""
    told = (event for event in azure.storage.heard if event.type != CLOSED_TYPE)
    return [f"{str(event.subject).rpartition('/')[2]} {event.id.partition('/')[2]}" for event in told]


def touch(table: Table) -> None:
    """Write every row of a table once more, as another worker would: the ETags change."""
    for row, _ in list(table.rows.values()):
        table.write(row)


def preempted(name: str) -> dict[str, object]:
    """Make the event that says that a VM of the world was preempted at ten."""
    return annotated(name, "VirtualMachinePreempted", TEN)


def annotated(name: str, annotation: str, occurred_at: datetime) -> dict[str, object]:
    """Make the event that tells of an annotation of a VM of the world."""
    vm_id = World(TEN).add_vm(name).vm_id
    properties = {
        "targetResourceId": vm_id,
        "annotationName": annotation,
        "occurredTime": occurred_at.isoformat(),
    }
    return {
        "specversion": "1.0",
        "id": "again",
        "source": "/subscriptions/s",
        "type": "Microsoft.ResourceNotifications.HealthResources.ResourceAnnotated",
        "time": "2026-03-02T10:00:00Z",
        "data": {"resourceInfo": {"properties": properties}},
    }
