"""The ports of the app in virtual time: the product's own clients, over doubles of the SDKs. Opened by ``app.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from localazure.virtual.compute import ARM, ComputeDouble
from localazure.virtual.graph import GraphDouble
from localazure.virtual.offerings import ArmDouble, PriceListDouble
from localazure.virtual.storage import Mailbox, QueueDouble, TableDouble, TopicDouble
from localazure.virtual.work import WakesDouble, WorkQueueDouble
from spot_responder.clients.compute import Compute
from spot_responder.clients.events_topic import EventsTopic
from spot_responder.clients.graph import ResourceGraph
from spot_responder.clients.offerings.notes import Notes
from spot_responder.clients.offerings.price_alerts import PriceAlerts
from spot_responder.clients.offerings.resizer import Resizer
from spot_responder.clients.queue import MessageQueue
from spot_responder.clients.resource_manager import ResourceManager
from spot_responder.clients.tables import Tables
from spot_responder.clients.work.queues import Wakes, WorkQueues
from spot_responder.clients.work.table import WorkTable
from spot_responder.intake.signals import Inbox
from spot_responder.responder.ports import Ports, Pricing, Resizing, WorkPorts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from localazure.resource_manager.limits import Limits
    from localazure.virtual.storage import Storage, Table
    from localazure.virtual.wire import Wire
    from localazure.virtual.work import VirtualWorkQueue
    from localazure.world.world import World
    from spot_responder.intake.work_queue_names import WorkQueueName
    from spot_responder.settings import Settings


class Deployed(Mailbox, Protocol):
    """The app whose ports are opened."""

    @property
    def storage(self) -> Storage:
        """What outlives every process."""

    @property
    def settings(self) -> Settings:
        """What the deployment sets."""

    @property
    def work_queues(self) -> Mapping[WorkQueueName, VirtualWorkQueue]:
        """The work queues."""

    def wake(self, body: str, delay: timedelta = ...) -> None:
        """Take a message for the queue of wakes."""


def open_ports(app: Deployed, world: World, wire: Wire, limits: Limits | None) -> Ports:
    """Open the ports of one process of an app. ``wire`` carries its requests; ``limits`` counts those to ARM."""
    storage, settings = app.storage, app.settings

    def compute(subscription_id: str) -> Any:  # noqa: ANN401 - a double of the SDK's client
        return ComputeDouble(subscription_id, world, wire, limits)

    def table(table: Table) -> Any:  # noqa: ANN401 - a double of the SDK's client
        return TableDouble(table, wire)

    graph = ResourceGraph(cast("Any", GraphDouble(world, wire, limits)))
    arm = cast("Any", ArmDouble(world, wire, limits))
    resizing = Resizing(resizer=Resizer(compute), arm=ResourceManager(settings, arm, cast("Any", None)))
    return Ports(
        graph=graph,
        compute=Compute(ARM, compute),
        store=Tables(table(storage.recoveries), table(storage.history), table(storage.pools), table(storage.health)),
        queue=MessageQueue(cast("Any", QueueDouble(app, wire, Inbox.SIGNALS))),
        agents=MessageQueue(cast("Any", QueueDouble(app, wire, Inbox.AGENTS))),
        events_topic=EventsTopic(cast("Any", TopicDouble(storage.heard, wire))),
        pricing=Pricing(
            price_list=PriceListDouble(world, wire),
            notes=Notes(table(storage.offerings)),
            alerts=PriceAlerts(table(storage.offerings)),
        ),
        resizing=resizing if settings.policy.resizes else None,
        work=_work_ports(app, graph, wire) if app.work_queues else None,
    )


def _work_ports(app: Deployed, graph: ResourceGraph, wire: Wire) -> WorkPorts:
    queues = app.work_queues
    return WorkPorts(
        table=WorkTable(cast("Any", TableDouble(app.storage.work, wire))),
        queues=WorkQueues(
            lambda name: cast("Any", WorkQueueDouble(queues[name], wire, str(name))),
            lambda name: cast("Any", TableDouble(queues[name].workers, wire)),
        ),
        wakes=Wakes(cast("Any", WakesDouble(app.wake, wire))),
        vms=graph,
    )
