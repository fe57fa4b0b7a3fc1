"""The role of ``infra/responder-role.json``: each action in it is needed, and nothing is asked that is not in it.

The real responder and Microsoft's clients, over TLS, against ARM and Resource Graph of the laptop Azure, which let in
what the role allows. Which action Azure checks where is an assumption: docs/azure-assumptions.md §6.
"""

from __future__ import annotations

import asyncio
import heapq
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, cast

from azure.mgmt.compute.aio import ComputeManagementClient
from azure.mgmt.resourcegraph.aio import ResourceGraphClient

from localazure.resource_manager.resource_graph.service import QUERY
from localazure.resource_manager.roles import RESPONDER_ROLE, Role, read_role
from localazure.virtual.event_grid import event_grid
from localazure.virtual.offerings import PriceListDouble
from localazure.virtual.storage import QueueDouble, Table, TableDouble
from localazure.virtual.wire import Wire
from localazure.world.state import ScaleSet
from localazure.world.world import World
from spot_responder.clients.compute import Compute
from spot_responder.clients.events_topic import EventsTopic
from spot_responder.clients.graph import ResourceGraph
from spot_responder.clients.offerings.notes import Notes
from spot_responder.clients.offerings.price_alerts import PriceAlerts
from spot_responder.clients.queue import MessageQueue
from spot_responder.clients.rows.table_rows import recovery_from_row
from spot_responder.clients.tables import Tables
from spot_responder.decisions.policy import Policy
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.signals import Inbox
from spot_responder.responder.pool_gates import Gates
from spot_responder.responder.ports import Ports, Pricing
from spot_responder.responder.responder import Responder
from spot_responder.responder.sizes.offerings import offered
from spot_responder.settings import Settings
from tests.harness.fronts import Credential, serve
from tests.harness.log_analytics import Logbook
from tests.harness.makers import TEN, at
from tests.harness.stories import TAG, Script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from localazure.resource_manager.access import Access
    from localazure.world.happenings import Happening
    from spot_responder.decisions.attempts import Attempt
    from spot_responder.decisions.recoveries import Recovery
    from tests.harness.fronts import Front

ROLE = read_role(RESPONDER_ROLE)
READ_VM = "Microsoft.Compute/virtualMachines/read"
READ_INSTANCE_VIEW = "Microsoft.Compute/virtualMachines/instanceView/read"
START = "Microsoft.Compute/virtualMachines/start/action"
READ_SCALE_SET = "Microsoft.Compute/virtualMachineScaleSets/read"
READ_OPERATION = "Microsoft.Compute/locations/operations/read"
READ_HEALTH = "Microsoft.ResourceHealth/*/read"
READ_AVAILABILITY = "Microsoft.ResourceHealth/availabilityStatuses/read"


@dataclass
class Live:
    """The responder behind real clients for what its role is about, and what it logs.

    The clients' time is real, and the world's is not: messages are brought when they are due in the world.
    """

    world: World
    front: Front
    responder: Responder
    recoveries: Table
    pools: Table
    mailbox: Mailbox
    script: Script
    logbook: Logbook = field(default_factory=Logbook)

    async def run_until(self, time: datetime) -> None:
        """Let the world move and the messages be answered, up to a time."""
        while (due := self._next_due()) is not None and due <= time:
            self._advance(due)
            if self.mailbox.next_due() == due:
                await self.responder.handle(self.mailbox.take())
        self._advance(time)

    async def sweep(self) -> None:
        """Let the timer fire."""
        await self.responder.sweep()

    def starts(self) -> list[str]:
        """Give the times at which starts were asked for and reached Compute."""
        return [f"{call.at:%H:%M:%S}" for call in self.world.machine("render-1").start_calls]

    def denied(self) -> list[str]:
        """Give what it says of looks that were denied."""
        lines = [json.loads(row["Message"]) for row in self.logbook.rows.get("AppTraces", [])]
        return [line["reason"] for line in lines if line["event"] == "denied"]

    def recovery(self) -> Recovery:
        """Give the row of the VM."""
        ((row, _),) = self.recoveries.rows.values()
        return recovery_from_row(row)

    def attempt(self) -> Attempt:
        """Give the latest start request, as its row has it."""
        attempt = self.recovery().attempt
        assert attempt is not None
        return attempt

    def refusals(self) -> list[int]:
        """Give how often each pool was out of capacity, as its gate has it."""
        return [row["refusals"] for row, _ in self.pools.rows.values()]

    def _next_due(self) -> datetime | None:
        return min((due for due in (self.world.next_due(), self.mailbox.next_due()) if due), default=None)

    def _advance(self, to: datetime) -> None:
        self.world.advance(to)
        self.front.clock.now = self.world.now


@dataclass
class Mailbox:
    """A queue whose messages are seen at their time in the world."""

    world: World
    _messages: list[tuple[datetime, int, str]] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=count)

    def put(
        self,
        body: str,
        delay: timedelta,
        tells: Happening | None = None,  # noqa: ARG002 - the mailbox of a port
        inbox: Inbox = Inbox.SIGNALS,  # noqa: ARG002 - no agents here
    ) -> None:
        """Take a message."""
        heapq.heappush(self._messages, (self.world.now + delay, next(self._order), body))

    def next_due(self) -> datetime | None:
        """Say when the next message is seen."""
        return self._messages[0][0] if self._messages else None

    def take(self) -> str:
        """Take the next message."""
        return heapq.heappop(self._messages)[2]


@asynccontextmanager
async def live(folder: Path, role: Role) -> AsyncIterator[Live]:
    """Serve a world in which the responder has this role, and connect it."""
    world, script = World(TEN), Script()
    roles = {"responder": role, "owner": Role("Owner", ("*",))}
    async with serve(folder, world=world, roles=roles) as front:
        front.clock.now = TEN
        options: dict[str, Any] = {
            "credential_scopes": ["https://management.azure.com/.default"],
            "connection_verify": front.ca_file,
            "retry_total": 0,
        }
        credential = Credential("responder")
        subscription = world.add_vm("render-1", tags=TAG).subscription_id
        mailbox, wire = Mailbox(world), Wire(script, settle=lambda: None, die=lambda: None)
        recoveries, history, pools, health = map(Table, ("recoveries", "history", "pools", "health"))
        tables = (cast("Any", TableDouble(table, wire)) for table in (recoveries, history, pools, health))
        offerings = cast("Any", TableDouble(Table("offerings"), wire))
        world.listen(event_grid(mailbox, script))
        async with (
            ComputeManagementClient(credential, subscription, front.url, **options) as compute,
            ResourceGraphClient(credential, front.url, **options) as graph,
        ):
            ports = Ports(
                graph=ResourceGraph(graph),
                compute=Compute(front.url, lambda _: compute),
                store=Tables(*tables),
                queue=MessageQueue(cast("Any", QueueDouble(mailbox, wire, Inbox.SIGNALS))),
                agents=MessageQueue(cast("Any", QueueDouble(mailbox, wire, Inbox.AGENTS))),
                events_topic=EventsTopic(None),
                pricing=Pricing(PriceListDouble(world, wire), Notes(offerings), PriceAlerts(offerings)),
            )
            settings = Settings("https://queue", "https://table", front.url, None, dry_run=False, policy=Policy())
            ids = count(1)
            prices, _ = offered(ports, lambda: world.now)
            responder = Responder(
                ports, Gates(ports.store), settings, lambda: world.now, lambda: 0.5, lambda: f"id-{next(ids)}", prices
            )
            yield Live(world, front, responder, recoveries, pools, mailbox, script)


type Story = Callable[[Live], Awaitable[None]]


def play(folder: Path, story: Story, *, without: str | None = None, instead: str = "") -> tuple[Live, Access]:
    """Play a story with the role as it is, or with one action taken away, or another in its place."""
    kept = tuple(action for action in ROLE.actions if action != without)
    role = replace(ROLE, actions=(*kept, instead) if instead else kept)

    async def whole() -> Live:
        async with live(folder, role) as one:
            with one.logbook.written_by_the_app(lambda: one.world.now):
                await story(one)
            return one

    played = asyncio.run(whole())
    return played, played.front.access


async def evicted(one: Live) -> None:
    """Evict a VM for which there is capacity."""
    one.world.evict("render-1")
    await one.run_until(at("10:05"))


async def evicted_and_untold(one: Live) -> None:
    """Evict it, lose every event, and sweep."""
    one.script.lost = lambda _: True
    one.world.evict("render-1")
    await one.run_until(at("10:15"))
    await one.sweep()
    await one.run_until(at("10:20"))


async def evicted_without_capacity(one: Live) -> None:
    """Evict it while there is no capacity."""
    one.world.set_capacity(one.world.machine("render-1").pool, 0)
    one.world.evict("render-1")
    await one.run_until(at("10:00:58"))


async def evicted_in_a_scale_set(one: Live) -> None:
    """Evict it where its scale set has a restore policy of its own."""
    machine = one.world.machine("render-1")
    scale_set = ScaleSet(
        f"/subscriptions/{machine.subscription_id}/resourceGroups/rg/providers/"
        "Microsoft.Compute/virtualMachineScaleSets/set-1",
        "set-1",
        machine.subscription_id,
        "rg",
        machine.location,
        restore_policy=True,
    )
    one.world.scale_sets.append(scale_set)
    machine.scale_set_id = scale_set.scale_set_id
    await evicted(one)


async def stopped_by_its_owner_and_untold(one: Live) -> None:
    """Its owner stops it; the events are lost; the sweep finds it."""
    one.script.lost = lambda _: True
    one.world.stop_by_owner("render-1")
    await one.run_until(at("10:15"))
    await one.sweep()
    await one.run_until(at("10:20"))


STORIES = (
    evicted,
    evicted_and_untold,
    evicted_without_capacity,
    evicted_in_a_scale_set,
    stopped_by_its_owner_and_untold,
)


def test_the_actions_are_those_that_this_page_proves() -> None:
    """An action that comes into the role needs a test here. One wildcard, where Azure has no action to name."""
    proven = {READ_VM, READ_INSTANCE_VIEW, START, READ_SCALE_SET, READ_OPERATION, READ_HEALTH}
    assert set(ROLE.actions) == proven
    assert [action for action in ROLE.actions if not action.endswith("/read")] == [START]
    assert [action for action in ROLE.actions if "*" in action] == [READ_HEALTH]


def test_nothing_is_asked_that_is_not_in_the_role(tmp_path: Path) -> None:
    """Over all stories: no call is denied, every action is in the role, and every action of the role is asked for."""
    asked: set[str] = set()
    for story in STORIES:
        one, access = play(tmp_path, story)
        calls = [call for call in one.world.calls if call.principal == "responder"]
        assert calls, story
        assert [call for call in calls if call.status in {401, 403}] == []
        assert all(call.operation == QUERY or ROLE.allows(call.operation) for call in calls)
        asked |= {action for principal, action in access.checked if principal == "responder"}
    # The query itself needs no action of its own: who may read a resource may query for it.
    assert all(ROLE.allows(action) for action in asked)
    for one_action in ROLE.actions:
        assert any(replace(ROLE, actions=(one_action,)).allows(action) for action in asked), one_action


def test_without_reading_vms_nothing_is_found_and_nothing_is_started(tmp_path: Path) -> None:
    """Resource Graph shows no VM, ARM denies the look, and the sweep is blind."""
    one, _ = play(tmp_path, evicted)
    assert one.starts() == ["10:00:16"]
    one, _ = play(tmp_path, evicted, without=READ_VM)
    assert one.starts() == []
    assert READ_VM in one.denied()[0]
    one, _ = play(tmp_path, evicted_and_untold, without=READ_VM)
    assert (one.starts(), one.denied()) == ([], [])


def test_without_the_instance_view_nothing_is_started(tmp_path: Path) -> None:
    """The graph shows the VM, but it may be minutes old, and ARM denies the power state of this moment."""
    one, _ = play(tmp_path, evicted_and_untold)
    assert one.starts()[0] == "10:15:00"
    one, _ = play(tmp_path, evicted_and_untold, without=READ_INSTANCE_VIEW)
    assert one.starts() == []
    assert READ_INSTANCE_VIEW in one.denied()[0]


def test_without_the_start_all_is_seen_and_nothing_done(tmp_path: Path) -> None:
    """The recovery stays open, slowly tried again, and says that access was denied."""
    one, _ = play(tmp_path, evicted, without=START)
    assert one.starts() == []
    recovery = one.recovery()
    assert recovery.is_open
    failure = one.attempt().failure
    assert failure is not None
    assert failure.kind is FailureKind.DENIED
    assert START in failure.message
    assert recovery.wake_at is not None
    assert recovery.wake_at - TEN > timedelta(hours=1)


def test_without_reading_scale_sets_a_vm_is_started_that_its_scale_set_restores(tmp_path: Path) -> None:
    """Two would start the same VM."""
    one, _ = play(tmp_path, evicted_in_a_scale_set)
    assert one.starts() == []
    one, _ = play(tmp_path, evicted_in_a_scale_set, without=READ_SCALE_SET)
    assert len(one.starts()) == 1


def test_without_reading_operations_a_start_that_failed_is_not_noticed(tmp_path: Path) -> None:
    """Nobody learns within the minute that there is no capacity, so the pool stays open to all its VMs."""
    one, _ = play(tmp_path, evicted_without_capacity)
    failure = one.attempt().failure
    assert failure is not None
    assert failure.code == "AllocationFailed"
    assert one.refusals() == [1]
    one, _ = play(tmp_path, evicted_without_capacity, without=READ_OPERATION)
    assert one.starts() == ["10:00:16"]
    assert one.attempt().failure is None
    assert one.refusals() == [0]


def test_without_reading_health_a_vm_is_started_that_its_owner_stopped(tmp_path: Path) -> None:
    """Where the event is lost, the annotation in Resource Graph is all that tells whose doing it was."""
    one, _ = play(tmp_path, stopped_by_its_owner_and_untold)
    assert one.starts() == []
    one, _ = play(tmp_path, stopped_by_its_owner_and_untold, without=READ_HEALTH)
    assert len(one.starts()) == 1


def test_reading_availability_alone_shows_no_annotation(tmp_path: Path) -> None:
    """The row that tells whose doing it was is of another type, for which Azure has no action that could be named."""
    one, _ = play(tmp_path, stopped_by_its_owner_and_untold, without=READ_HEALTH, instead=READ_AVAILABILITY)
    assert len(one.starts()) == 1


def test_the_role_reaches_no_data_and_takes_nothing_back() -> None:
    """Reads and one start: no data of anybody's, and no list of exceptions to think about."""
    role = json.loads(RESPONDER_ROLE.read_text(encoding="utf-8"))
    assert role["notActions"] == role["dataActions"] == role["notDataActions"] == []
