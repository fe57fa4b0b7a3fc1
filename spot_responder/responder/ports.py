"""The ports through which the responder reaches Azure, as protocols.

``clients/connections.py`` opens them with Azure's SDKs; the tests open them onto a world with a virtual clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime, timedelta

    from spot_responder.decisions.app_health.app_failures import Activity, Failing
    from spot_responder.decisions.pools import PoolGate, PoolId
    from spot_responder.decisions.recoveries import Notice, Recovery
    from spot_responder.decisions.situations import Operation
    from spot_responder.demand.looks import Backlog, Watch, Word
    from spot_responder.demand.wakes import Wake
    from spot_responder.intake.azure_errors import Failure
    from spot_responder.intake.vms import Vm, VmId
    from spot_responder.intake.work_queue_names import WorkQueueName
    from spot_responder.offerings.noted import Noted
    from spot_responder.offerings.price_alerts import PriceAlert
    from spot_responder.offerings.priced_vms import PricedVm


class AzureRefusedError(Exception):
    """Azure refused a request, or did not answer; ``failure`` says why and when to come back."""

    def __init__(self, failure: Failure, what: str) -> None:
        """Keep the request's name: ``what`` completes the sentence "Azure refused to …"."""
        super().__init__(f"Azure refused to {what}: {failure.code} ({failure.kind}): {failure.message}")
        self.failure = failure


class StoreFailedError(Exception):
    """The app's tables failed or did not answer: as far as is known, nothing was read or saved."""

    def __init__(self, failure: Failure, what: str, *, is_spare: bool = False) -> None:
        """Keep the request's name: ``what`` completes the sentence "Storage failed to …".

        ``is_spare``: the message that led to this is a follow-up which an earlier look put on the queue and could not
        note in its row. What led to that look is on the queue as well.
        """
        super().__init__(f"Storage failed to {what}: {failure.code}: {failure.message}")
        self.failure, self.what, self.is_spare = failure, what, is_spare


class OddRowError(Exception):
    """A VM's row is not as this release writes it. The owner's wish in it must not be guessed at."""


class ChangedMeanwhileError(Exception):
    """Another worker saved the row since it was loaded: gather again before acting."""


class GateChangedError(Exception):
    """Another worker saved the pool's gate since it was loaded: ask again with the gate as it is now."""


@dataclass(frozen=True, slots=True)
class Stored[T]:
    """A value that is kept in a row, and the row's ETag; without an ETag there is no row yet."""

    value: T
    etag: str | None


class Graph(Protocol):
    """Azure Resource Graph."""

    async def confirm(self, vm_id: VmId) -> Vm | None:
        """Give the VM's facts, which may be minutes old; ``None`` if the graph has no such VM, or may not show it."""

    async def deallocated_spot_vms(self, restart_tag: str) -> Sequence[VmId]:
        """Give all Spot VMs that are deallocated and carry the tag, as far as the graph knows."""

    async def priced_vms(self, restart_tag: str) -> Sequence[PricedVm]:
        """Give the Spot VMs with the tag, with what their price depends on. Raises ``AzureRefusedError``."""


class Compute(Protocol):
    """Azure Resource Manager's Compute provider: the truth of this moment."""

    async def current(self, vm_id: VmId) -> Vm | None:
        """Give the VM as it is now, or ``None`` if there is none."""

    async def start(self, vm_id: VmId) -> str | None:
        """Ask for a start and return once it is accepted, with the operation's address where Azure gave one."""

    async def operation(self, operation_url: str) -> Operation:
        """Give the state of the operation behind an accepted start; never raises, so that the look goes on."""


class Resizer(Protocol):
    """Azure Resource Manager's Compute provider, asked by the identity that may change sizes."""

    async def resize(self, vm: Vm, size: str) -> str | None:
        """Ask to give a VM, as it was read, another size; give the operation's address. Raises ``AzureRefusedError``.

        Nothing else of the VM is in the request, and a VM that was changed since it was read is refused.
        """


@dataclass(frozen=True, slots=True)
class ArmAnswer:
    """What ARM answered, and what its clock said then."""

    body: Mapping[str, object]
    at: datetime | None


class Arm(Protocol):
    """Azure Resource Manager, for what has no port of its own."""

    async def listed(self, path: str, api_version: str) -> Sequence[Mapping[str, object]]:
        """Give all that a list at a path holds, page after page. Raises ``AzureRefusedError``."""

    async def ask(self, method: str, path: str, api_version: str) -> ArmAnswer:
        """Ask for what is at a path, or for an action. Raises ``AzureRefusedError``."""


class PriceList(Protocol):
    """Azure's public price list."""

    async def pages(self, location: str, size: str) -> Sequence[object]:
        """Give the pages about one size in one region, as JSON. Raises ``AzureRefusedError``."""


class Notes(Protocol):
    """The table ``offerings``: what Azure offers, as it was told a while ago. Raises ``StoreFailedError``."""

    async def load(self, key: str) -> Noted | None:
        """Load what was noted."""

    async def save(self, key: str, noted: Noted) -> None:
        """Note it, whatever was there."""


class PriceAlerts(Protocol):
    """The VMs whose max price has fallen behind; in the table ``offerings``. Raises ``StoreFailedError``."""

    async def all(self) -> Sequence[PriceAlert]:
        """Load all that are kept."""

    async def save(self, alert: PriceAlert) -> None:
        """Keep one, whatever was kept of its VM."""

    async def forget(self, vm_id: VmId) -> None:
        """Keep none of this VM."""


@dataclass(frozen=True, slots=True)
class Pricing:
    """What tells prices, and keeps what was told of them."""

    price_list: PriceList
    notes: Notes
    alerts: PriceAlerts


@dataclass(frozen=True, slots=True)
class Resizing:
    """What it takes to change the sizes of VMs, by its own identity; ``None`` in its place where nobody opted in."""

    resizer: Resizer
    arm: Arm


class Store(Protocol):
    """The four tables. Each call raises ``StoreFailedError`` where they fail."""

    async def load(self, vm_id: VmId) -> Stored[Recovery | None]:
        """Load the VM's row. Raises ``OddRowError``."""

    async def save(self, recovery: Recovery, etag: str | None) -> str:
        """Save the row as it was loaded and changed; give its new ETag. Raises ``ChangedMeanwhileError``."""

    async def load_gate(self, pool_id: PoolId) -> Stored[PoolGate]:
        """Load a pool's gate; a pool without a row is open."""

    async def save_gate(self, gate: PoolGate, etag: str | None) -> None:
        """Save a pool's gate. Raises ``GateChangedError``."""

    async def all_recoveries(self) -> Sequence[Stored[Recovery]]:
        """Load every row, open or remembered."""

    async def closed_between(self, first: date, last: date) -> Sequence[Recovery]:
        """Load the recoveries of the history that were closed on these days (UTC), both included."""

    async def forget(self, stored: Stored[Recovery]) -> None:
        """Delete a row, unless it changed meanwhile."""

    async def write_history(self, recovery: Recovery) -> None:
        """Write a closed recovery into the history, its outcome to be published; twice is once."""

    async def unpublished(self, since: datetime) -> Sequence[Recovery]:
        """Give the recoveries of the history, from the day of ``since`` on, whose outcome was not published yet."""

    async def failing(self) -> Sequence[Failing]:
        """Give the activities that the app as a whole fails at."""

    async def note_failing(self, failing: Failing) -> Failing:
        """Note that an activity fails; give it with the time since when it does."""

    async def note_success(self, activity: Activity) -> None:
        """Forget that an activity failed."""

    async def note_agent(self, recovery: Recovery) -> None:
        """Note in the history what the VM's agent told of a closed recovery after that."""

    async def note_published(self, recovery: Recovery) -> None:
        """Note in the history that the outcome was published."""


class Queue(Protocol):
    """One of the queues ``signals`` and ``agents``.

    Where it fails, the SDK's own error ends the call: the host brings the message again.
    """

    async def put(self, event: Mapping[str, object], delay: timedelta) -> None:
        """Put an event on the queue, to be seen after ``delay``."""


class EventsTopic(Protocol):
    """The topic on which outcomes and notices are published."""

    async def publish_outcome(self, recovery: Recovery) -> None:
        """Publish a closed recovery's outcome. Raises ``AzureRefusedError``."""

    async def publish_notice(self, recovery: Recovery, notice: Notice, now: datetime) -> bool:
        """Publish a notice about a recovery; answer whether there is a topic. Raises ``AzureRefusedError``."""

    async def publish_price_alert(self, alert: PriceAlert) -> None:
        """Publish that a VM's max price has fallen behind. Raises ``AzureRefusedError``."""


class WorkTable(Protocol):
    """The table ``work``. Each call raises ``StoreFailedError`` where it fails."""

    async def load(self, name: WorkQueueName) -> Stored[Watch]:
        """Load what is kept of a work queue; without a row, nothing is."""

    async def save(self, watch: Watch, etag: str | None) -> str:
        """Save what is kept of a work queue; give its new ETag. Raises ``ChangedMeanwhileError``."""


class WorkQueues(Protocol):
    """The work queues, and the table ``workers`` beside each. Each call raises ``AzureRefusedError``."""

    async def backlog(self, name: WorkQueueName) -> Backlog:
        """Count the queue's messages, and take none of them."""

    async def words(self, name: WorkQueueName) -> Sequence[Word]:
        """Give what the queue's workers wrote last: nothing where no worker has ever run."""


class Wakes(Protocol):
    """The queue ``wakes``. Where it fails, the SDK's own error ends the call."""

    async def put(self, wake: Wake, delay: timedelta) -> None:
        """Put a wake, to be seen after ``delay``."""


class WorkVms(Protocol):
    """The part of Resource Graph that knows which VMs serve work queues."""

    async def vms_for_work(self) -> Sequence[Vm]:
        """Give all VMs that carry ``StartForWork``, Spot or not. Raises ``AzureRefusedError``."""


@dataclass(frozen=True, slots=True)
class WorkPorts:
    """The ports that only work queues need."""

    table: WorkTable
    queues: WorkQueues
    wakes: Wakes
    vms: WorkVms


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports to Azure. ``queue`` is ``signals``; ``agents`` takes back what an agent told.

    ``resizing``, ``work``: of a deployment that changes sizes, or has work queues, only.
    """

    graph: Graph
    compute: Compute
    store: Store
    queue: Queue
    agents: Queue
    events_topic: EventsTopic
    pricing: Pricing
    resizing: Resizing | None = None
    work: WorkPorts | None = None
