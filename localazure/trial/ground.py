"""Azure on a laptop for a trial: ARM that creates, Event Grid that follows it, storage; no app.

Called by ``demo/trial.py``.
Storage has one account only: whatever a trial calls its own, its endpoints are that one's.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final, Protocol

from aiohttp import web
from azure.storage.blob.aio import ContainerClient
from azure.storage.queue.aio import QueueClient

from localazure.event_grid.event_delivery import QueueDelivery
from localazure.event_grid.event_filters import Subscription, SystemTopic, read_filter
from localazure.event_grid.service import EventGrid, Wiring
from localazure.guests.announcements import Announcements
from localazure.guests.guests import Guests, Surroundings
from localazure.laptop import MESSAGE_LIFETIME, WORLD_STEP_S, WallClock
from localazure.resource_manager.access import Access
from localazure.resource_manager.arm import arm_application
from localazure.resource_manager.deployment import Deployed
from localazure.resource_manager.made.made import Effects, Made
from localazure.resource_manager.resource_graph.service import Graph
from localazure.resource_manager.roles import roles_of_principals
from localazure.retail_prices.service import prices_application
from localazure.runtime.azurite import azurite
from localazure.runtime.certificate import write_certificate
from localazure.runtime.identity import PrincipalCredential, TokenIssuer, identity_endpoint
from localazure.trial.insides import Insides
from localazure.world.durations import Durations
from localazure.world.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from aiohttp.typedefs import Middleware

    from localazure.event_grid.azure_events import JsonObject
    from localazure.event_grid.event_delivery import OutgoingEvent
    from localazure.event_grid.service import Clock
    from localazure.resource_manager.roles import Role
    from localazure.runtime.azurite import Storage
    from localazure.runtime.certificate import Certificate

DURATIONS = Durations(
    until_unavailable=timedelta(seconds=0.5),
    deallocation=timedelta(seconds=1.5),
    start=timedelta(seconds=1.5),
    failed_start=timedelta(seconds=1),
    until_simulated_eviction=timedelta(seconds=3),
)


@dataclass(frozen=True, slots=True)
class Pace:
    """Whose time it is. ``held``: what is done within it takes none of that time."""

    clock: Clock
    held: Callable[[], AbstractContextManager[None]]


REAL: Final = Pace(WallClock(), nullcontext)


class Inside(Protocol):
    """The insides of the VMs that a trial creates."""

    def begin(self, name: str, custom_data: str) -> None:
        """Let a new VM have a guest."""

    def application(self) -> web.Application:
        """Build what gives the serial logs."""

    async def end(self) -> None:
        """Drop what is under way."""


@dataclass(slots=True)
class Queues:
    """Makes queues and containers, and delivers each event to the queue of its event subscription."""

    storage: Storage
    issuer: TokenIssuer
    authority: Path
    stack: AsyncExitStack
    held: Callable[[], AbstractContextManager[None]] = nullcontext
    deliveries: dict[str, QueueDelivery] = field(default_factory=dict)
    queue_of: dict[str, str] = field(default_factory=dict)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    never_retried: frozenset[int] = QueueDelivery.never_retried

    async def deliver(self, event: OutgoingEvent) -> int:
        """Deliver an event; give the status of the answer."""
        name = self.queue_of.get(event.subscription)
        if name is None:
            # The event subscription was deleted while the event was on its way.
            return 400
        with self.held():
            return await self._deliver(event, name)

    async def _deliver(self, event: OutgoingEvent, name: str) -> int:
        if name not in self.deliveries:
            identity = PrincipalCredential(self.issuer, "event-grid")
            delivery = QueueDelivery(self.storage.queue_uri, name, identity, MESSAGE_LIFETIME, self.authority)
            self.deliveries[name] = await self.stack.enter_async_context(delivery)
        return await self.deliveries[name].deliver(event)

    def begin_queue(self, name: str) -> None:
        """Make a queue."""
        owner = PrincipalCredential(self.issuer, "owner")
        client = QueueClient(
            self.storage.queue_uri, name, credential=owner, connection_verify=str(self.authority), retry_total=0
        )
        self._begin(client, client.create_queue)

    def begin_container(self, name: str) -> None:
        """Make a container."""
        owner = PrincipalCredential(self.issuer, "owner")
        client = ContainerClient(
            self.storage.blob_uri, name, credential=owner, connection_verify=str(self.authority), retry_total=0
        )
        self._begin(client, client.create_container)

    def _begin(self, client: Any, create: Any) -> None:  # noqa: ANN401 - queue and container have no type in common
        async def work() -> None:
            with self.held():
                async with client:
                    await create()

        task = asyncio.ensure_future(work())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def end(self) -> None:
        """Drop what is under way."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Ground:
    """A running laptop Azure for trials. ``environment``: by which the owner of its subscription finds it."""

    world: World
    graph: Graph
    access: Access
    event_grid: EventGrid
    made: Made
    deployed: Deployed
    queues: Queues
    insides: Inside
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Beneath:
    """What takes long to start: the storage, and by which certificate and tokens it is reached."""

    certificate: Certificate
    issuer: TokenIssuer
    storage: Storage


@asynccontextmanager
async def open_beneath(folder: Path) -> AsyncIterator[Beneath]:
    """Start it."""
    certificate = write_certificate(folder / "certificates")
    issuer = TokenIssuer(secrets.token_bytes(32), WallClock().now)
    async with azurite(None, certificate, secrets.token_bytes(64)) as storage:
        yield Beneath(certificate, issuer, storage)


@asynccontextmanager
async def trial_ground(  # noqa: PLR0913 - each is one thing that can be set
    folder: Path,
    *,
    durations: Durations = DURATIONS,
    between: Middleware | None = None,
    app: Deployed | None = None,
    roles: Mapping[str, Role] | None = None,
    beneath: Beneath | None = None,
    pace: Pace = REAL,
    inside: Callable[[Guests], Inside] = Insides,
) -> AsyncIterator[Ground]:
    """Run it. ``between`` sees each request to ARM, Resource Graph and the price list first, and may answer otherwise.

    ``app``: what a deployment of the product has left in the subscription; without it, there is none. ``beneath``: a
    storage that several share; without it, there is one of its own. ``inside``: what begins the insides of VMs.
    """
    async with AsyncExitStack() as stack:
        clock = pace.clock
        ground = beneath if beneath is not None else await stack.enter_async_context(open_beneath(folder))
        certificate, issuer, storage = ground.certificate, ground.issuer, ground.storage
        world = World(clock.now(), durations)
        queues = Queues(storage, issuer, certificate.authority, stack, pace.held)
        stack.push_async_callback(queues.end)
        surroundings = Surroundings(world, Announcements(world), clock.now, issuer, folder / "guests")
        insides = inside(await stack.enter_async_context(Guests(surroundings)))
        stack.push_async_callback(insides.end)
        wiring = Wiring((), queues, _forget)
        random = Random(0)  # noqa: S311 - no secret: the same faults shuffle the same way each time
        event_grid = await stack.enter_async_context(EventGrid(wiring, clock, random))
        world.listen(event_grid.publish)
        deployed = app or Deployed({}, {}, [], [])
        made = Made(
            deployed,
            Effects(
                endpoints=lambda: {"queue": f"{storage.queue_uri}/", "blob": f"{storage.blob_uri}/"},
                queue=queues.begin_queue,
                container=queues.begin_container,
                events=lambda: _wire(event_grid, queues, deployed),
                boot=insides.begin,
                console=lambda name: f"{serial}/{name}",
            ),
        )
        access = Access(
            world=world,
            clock=clock.now,
            principal_of=lambda token: issuer.principal_of(token, address),
            roles=roles_of_principals() if roles is None else roles,
            signing_key=secrets.token_bytes(32),
        )
        graph = Graph(access)
        application = arm_application(access, graph, deployed, made)

        async def serve(served: web.Application) -> str:
            if between is not None:
                served.middlewares.append(between)
            runner = web.AppRunner(served, access_log=None)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificate.server_context()).start()
            return f"https://127.0.0.1:{runner.addresses[0][1]}"

        address = await serve(application)
        serial = await serve(insides.application())
        identity = await stack.enter_async_context(identity_endpoint(issuer, {"": "owner"}, secrets.token_hex(16)))
        environment = {
            **identity.environment(),
            "ARM_ENDPOINT": address,
            "PRICES_ENDPOINT": await serve(prices_application(world)),
            "SSL_CERT_FILE": str(certificate.authority),
        }
        passing = asyncio.create_task(_let_time_pass(world, clock))
        try:
            yield Ground(world, graph, access, event_grid, made, deployed, queues, insides, environment)
        finally:
            passing.cancel()
            await asyncio.gather(passing, return_exceptions=True)


async def _let_time_pass(world: World, clock: Clock) -> None:
    while True:
        world.advance(clock.now())
        await asyncio.sleep(WORLD_STEP_S)


def _forget(_event: JsonObject) -> None:
    """Drop a dead letter: a trial reads none."""


def _wire(event_grid: EventGrid, queues: Queues, deployed: Deployed) -> None:
    """Let Event Grid know the topics and event subscriptions that there are now."""
    topics = []
    for name, topic in deployed.topics.items():
        hanging = []
        for one in deployed.subscriptions.get(name, []):
            properties = one["properties"]
            queue = properties["deliveryWithResourceIdentity"]["destination"]["properties"]["queueName"]
            queues.queue_of[one["name"]] = queue
            hanging.append(Subscription(one["name"], read_filter(properties["filter"], one["name"])))
        topics.append(SystemTopic(topic["properties"]["topicType"], tuple(hanging)))
    event_grid.wiring = Wiring(tuple(topics), queues, _forget, event_grid.wiring.schemas)
