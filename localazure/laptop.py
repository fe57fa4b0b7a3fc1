"""The whole of Azure on a laptop: puts its parts together and runs the app in it. Called by demo, tests and bench."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from azure.storage.blob.aio import ContainerClient

from localazure.deployed_storage import AGENTS, SIGNALS, deploy_storage, work_queues_setting
from localazure.event_grid.dead_letters import CONTAINER, DeadLetters
from localazure.event_grid.event_delivery import QueueDelivery
from localazure.event_grid.event_filters import read_topics
from localazure.event_grid.outcomes_topic import PATH as OUTCOMES_PATH
from localazure.event_grid.outcomes_topic import TOPIC_RESOURCE, OutcomesTopic, outcomes_application
from localazure.event_grid.service import EventGrid, Wiring
from localazure.functions.host import KEY_SETTING, functions_host
from localazure.functions.queue_listener import LEASE
from localazure.functions.restarted_host import kept_host
from localazure.guests.announcements import Announcements
from localazure.guests.guests import Guests, Surroundings, trust
from localazure.guests.linux.qemu import HOST
from localazure.resource_manager.access import Access
from localazure.resource_manager.arm import arm_application
from localazure.resource_manager.deployment import Deployed, deployed
from localazure.resource_manager.resource_graph.service import Graph
from localazure.resource_manager.roles import RESPONDER_ROLE, roles_of_principals
from localazure.retail_prices.service import prices_application
from localazure.runtime.azurite import azurite
from localazure.runtime.certificate import write_certificate
from localazure.runtime.identity import PrincipalCredential, TokenIssuer, identity_endpoint
from localazure.world.durations import Durations
from localazure.world.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from aiohttp.typedefs import Middleware
    from azure.data.tables.aio import TableServiceClient
    from azure.storage.queue.aio import QueueClient

    from localazure.deployed_storage import WorkQueueParameter
    from localazure.event_grid.azure_events import JsonObject
    from localazure.functions.host import RunningHost
    from localazure.functions.restarted_host import KeptHost
    from localazure.runtime.azurite import Storage
    from localazure.runtime.certificate import Certificate

REPOSITORY: Final = Path(__file__).resolve().parents[1]
EVENT_FILTERS: Final = REPOSITORY / "infra" / "event-filters.json"
TEMPLATE: Final = REPOSITORY / "infra" / "main.json"
RESIZER_CLIENT_ID: Final = "22222222-2222-4222-8222-222222222222"
"""The client id of the identity that may change sizes: an app with ``RESIZE_CLIENT_ID`` set to it does so."""

WITHOUT_ROLE_CLIENT_ID: Final = "22222222-2222-4222-8222-222222222223"
"""The client id of an identity of the app's that was given no role."""

MESSAGE_LIFETIME: Final = timedelta(days=1)
WORLD_STEP_S: Final = 0.02
"""The world's moves may be late by so much: small against anything that is measured here."""

HOST_LOG: Final = "host.log"
GUESTS: Final = "guests"
"""The folder with the disks of the VMs. A world that begins has none yet."""


class WallClock:
    """Real time."""

    def now(self) -> datetime:
        """Give the time."""
        return datetime.now(UTC)

    async def sleep_until(self, moment: datetime) -> None:
        """Come back at a moment; at once where it has passed."""
        await asyncio.sleep(max(0.0, (moment - self.now()).total_seconds()))


@dataclass(frozen=True, slots=True)
class Laptop:
    """A running laptop Azure: everything that a scenario or a test may want to touch or look at.

    ``operator``: the environment by which an operator's commands find it, as somebody who may read it. ``log_in``
    gives that of any principal of ``resource_manager/roles.py``, or of a stranger. ``work``: the environment by which
    a team's commands find the storage account of their jobs.
    """

    world: World
    access: Access
    graph: Graph
    event_grid: EventGrid
    outcomes: OutcomesTopic
    queue: QueueClient
    poison: QueueClient
    agents: QueueClient
    agents_poison: QueueClient
    wakes: QueueClient
    tables: TableServiceClient
    clock: WallClock
    host: KeptHost
    host_log: Path
    announcements: Announcements
    guests: Guests
    dead_letters: DeadLetters
    operator: Mapping[str, str]
    work: Mapping[str, str]
    log_in: Callable[[str], Coroutine[Any, Any, dict[str, str]]]
    deployed: Deployed


@dataclass(frozen=True, slots=True)
class _Ground:
    """What every piece stands on."""

    clock: WallClock
    certificate: Certificate
    issuer: TokenIssuer
    stack: AsyncExitStack
    between: Middleware | None


@asynccontextmanager
async def laptop_azure(  # noqa: PLR0913 - each is one thing that can be set
    folder: Path,
    app_settings: Mapping[str, str],
    durations: Durations | None = None,
    app_directory: Path = REPOSITORY,
    *,
    lease: timedelta = LEASE,
    between: Middleware | None = None,
    storage_folder: Path | None = None,
    work_queues: Sequence[WorkQueueParameter] = (),
) -> AsyncIterator[Laptop]:
    """Run everything, with the app in it; what it leaves behind (logs, certificates) goes into ``folder``.

    ``app_settings`` are the app's own, added to those by which it finds the laptop Azure. For ``lease`` see
    ``functions_host``. ``between`` sees each request to ARM, Resource Graph and the outcomes topic before they do, and
    each answer before the app does. ``storage_folder``: where Azurite keeps its data, instead of in memory.
    ``work_queues``: those that the app is deployed with.

    Raises:
        StartError: if Azurite or the app did not come up, with what they said.
    """
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - once, before anything runs
    host_log = folder / HOST_LOG
    async with AsyncExitStack() as stack:
        clock = WallClock()
        certificate = write_certificate(folder / "certificates", HOST)
        ground = _Ground(clock, certificate, TokenIssuer(secrets.token_bytes(32), clock.now), stack, between)
        world = World(clock.now(), durations or Durations())
        beside = deployed(EVENT_FILTERS, RESPONDER_ROLE, TEMPLATE)
        access, graph, arm_address = await _open_arm(ground, world, beside)
        outcomes, outcomes_address = await _open_outcomes(ground)
        storage = await stack.enter_async_context(azurite(storage_folder, certificate, secrets.token_bytes(64)))
        owner = PrincipalCredential(ground.issuer, "owner")
        made = await deploy_storage(storage, owner, certificate.authority, stack, work_queues)
        dead_letters = await _open_dead_letters(ground, storage)
        event_grid = await _open_event_grid(ground, storage, dead_letters.keep)
        world.listen(event_grid.publish)
        stack.push_async_callback(_cancel, asyncio.create_task(_let_time_pass(world, clock)))
        announcements = Announcements(world)
        guests = await _open_guests(ground, announcements, storage, access, folder / GUESTS, arm_address)
        addresses = {
            "ARM_ENDPOINT": arm_address,
            "OUTCOMES_TOPIC_ENDPOINT": outcomes_address,
            "PRICES_ENDPOINT": await _serve(ground, prices_application(world)),
            **work_queues_setting(storage, work_queues),
            **app_settings,
        }
        key = {KEY_SETTING: secrets.token_urlsafe(32)}
        settings = await _environment_of("responder", ground, storage) | addresses | key

        async def log_in(principal: str) -> dict[str, str]:
            return await _environment_of(principal, ground, storage) | addresses

        host_log.write_bytes(b"")

        def start_host() -> AbstractAsyncContextManager[RunningHost]:
            return functions_host(app_directory, settings, host_log, lease)

        host = await stack.enter_async_context(kept_host(start_host))
        yield Laptop(
            world=world,
            access=access,
            graph=graph,
            event_grid=event_grid,
            outcomes=outcomes,
            queue=made.signals,
            poison=made.signals_poison,
            agents=made.agents,
            agents_poison=made.agents_poison,
            wakes=made.wakes,
            tables=made.tables,
            clock=clock,
            host=host,
            host_log=host_log,
            announcements=announcements,
            guests=guests,
            dead_letters=dead_letters,
            operator=await log_in("operator"),
            work={"AZURE_STORAGE_CONNECTION_STRING": storage.work, **trust(certificate.authority)},
            log_in=log_in,
            deployed=beside,
        )


async def _open_arm(ground: _Ground, world: World, beside: Deployed) -> tuple[Access, Graph, str]:
    def principal_of(token: str) -> str | None:
        # As in Azure, a token that was made for another service is none here.
        return ground.issuer.principal_of(token, address)

    access = Access(
        world=world,
        clock=ground.clock.now,
        principal_of=principal_of,
        roles=roles_of_principals(),
        signing_key=secrets.token_bytes(32),
    )
    graph = Graph(access)
    address = await _serve(ground, arm_application(access, graph, beside))
    return access, graph, address


async def _open_outcomes(ground: _Ground) -> tuple[OutcomesTopic, str]:
    topic = OutcomesTopic()

    def principal_of(token: str) -> str | None:
        return ground.issuer.principal_of(token, TOPIC_RESOURCE)

    address = await _serve(ground, outcomes_application(topic, principal_of))
    return topic, f"{address}{OUTCOMES_PATH}"


async def _serve(ground: _Ground, application: web.Application) -> str:
    """Serve over TLS on a free port of loopback; give the address."""
    if ground.between is not None:
        application.middlewares.append(ground.between)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    ground.stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ground.certificate.server_context()).start()
    return f"https://127.0.0.1:{runner.addresses[0][1]}"


async def _open_guests(  # noqa: PLR0913, PLR0917 - what the inside of a VM meets
    ground: _Ground, announcements: Announcements, storage: Storage, access: Access, folder: Path, arm: str
) -> Guests:
    shutil.rmtree(folder, ignore_errors=True)
    surroundings = Surroundings(
        world=access.world,
        announcements=announcements,
        clock=ground.clock.now,
        issuer=ground.issuer,
        folder=folder,
        queue=f"{storage.queue_uri}/{AGENTS}",
        work=storage.work,
        arm=arm,
        authority=ground.certificate.authority,
    )
    return await ground.stack.enter_async_context(Guests(surroundings))


async def _open_event_grid(ground: _Ground, storage: Storage, dead_letter: Callable[[JsonObject], None]) -> EventGrid:
    """Let the system topics deliver into the queue, by an identity of their own."""
    identity = PrincipalCredential(ground.issuer, "event-grid")
    delivery = QueueDelivery(storage.queue_uri, SIGNALS, identity, MESSAGE_LIFETIME, ground.certificate.authority)
    await ground.stack.enter_async_context(delivery)
    wiring = Wiring(read_topics(EVENT_FILTERS), delivery, dead_letter)
    # The same faults shuffle the same way each time.
    return await ground.stack.enter_async_context(EventGrid(wiring, ground.clock, Random(0)))  # noqa: S311 - no secret


async def _open_dead_letters(ground: _Ground, storage: Storage) -> DeadLetters:
    owner, authority = PrincipalCredential(ground.issuer, "owner"), str(ground.certificate.authority)
    container = ContainerClient(storage.dead_letters_uri, CONTAINER, credential=owner, connection_verify=authority)
    await ground.stack.enter_async_context(container)
    await container.create_container()
    return DeadLetters(container)


async def _environment_of(principal: str, ground: _Ground, storage: Storage) -> dict[str, str]:
    """Give the variables by which somebody finds the laptop Azure, with an identity, as the deployment sets them."""
    identity = await ground.stack.enter_async_context(
        identity_endpoint(ground.issuer, _identities(principal), secrets.token_hex(16))
    )
    authority = str(ground.certificate.authority)
    return {**storage.environment(), **identity.environment(), "SSL_CERT_FILE": authority}


def _identities(principal: str) -> dict[str, str]:
    """Give the identities of an app by client id: its own, and the responder's others."""
    others = {RESIZER_CLIENT_ID: "resizer", WITHOUT_ROLE_CLIENT_ID: "without-role"}
    return {"": principal} | (others if principal == "responder" else {})


async def _let_time_pass(world: World, clock: WallClock) -> None:
    while True:
        world.advance(clock.now())
        await asyncio.sleep(WORLD_STEP_S)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
