"""Opens all ports of the app: one credential and one client of each kind for the whole process.

Called by ``function_app.py`` and, for operators, by ``operator_connections.py``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from azure.core import AsyncPipelineClient
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy
from azure.data.tables.aio import TableClient
from azure.eventgrid.aio import EventGridPublisherClient
from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential
from azure.mgmt.compute.aio import ComputeManagementClient
from azure.mgmt.resourcegraph.aio import ResourceGraphClient
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

from spot_responder.clients.compute import Compute
from spot_responder.clients.events_topic import EventsTopic
from spot_responder.clients.graph import ResourceGraph
from spot_responder.clients.logins import Login
from spot_responder.clients.offerings.notes import Notes
from spot_responder.clients.offerings.price_alerts import PriceAlerts
from spot_responder.clients.offerings.resizer import Resizer
from spot_responder.clients.offerings.retail_prices import RetailPrices
from spot_responder.clients.queue import MessageQueue
from spot_responder.clients.resource_manager import ResourceManager
from spot_responder.clients.tables import Tables
from spot_responder.clients.work.queues import WORKERS_TABLE, Wakes, WorkQueues
from spot_responder.clients.work.table import WorkTable
from spot_responder.intake.signals import Inbox
from spot_responder.responder.ports import Ports, Pricing, Resizing, WorkPorts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline.transport import AsyncHttpTransport

    from spot_responder.settings import Settings

# Without "use_env_settings" each request would look for a proxy and for ~/.netrc, in a thread: a fifth of its cost.
_TIMEOUTS: Final[dict[str, Any]] = {"connection_timeout": 10, "read_timeout": 30, "use_env_settings": False}

# The SDKs' own retries sleep as long as Azure says, 20 minutes for instance (docs/azure-facts.md arm-3). They are off:
# a follow-up waits instead.
PATIENCE: Final[dict[str, Any]] = {"retry_total": 0, **_TIMEOUTS}

# A topic that does not answer is not waited for: the event is published again later.
_SOON: Final[dict[str, Any]] = {"read_timeout": 5}

# Storage answers at once or, rarely, not at all: two more tries within seconds save waiting for the sweep.
_STORAGE_RETRIES: Final = 2


def connect(
    settings: Settings,
    login: AsyncTokenCredential | None = None,
    transport: AsyncHttpTransport[Any, Any] | None = None,
) -> Ports:
    """Open the ports. Nothing is sent before the first request.

    ``login``: the credential; without one, the one that ``DefaultAzureCredential`` finds. ``transport``: one for all
    clients, for a caller that closes it when done; without one, each client has its own for as long as the process
    lives.
    """
    credential = login or Login(DefaultAzureCredential())
    shared: dict[str, Any] = {"transport": transport} if transport else {}
    arm: dict[str, Any] = {"credential_scopes": [f"{settings.arm_endpoint}/.default"], **PATIENCE, **shared}

    def new_compute_client(subscription_id: str) -> ComputeManagementClient:
        return ComputeManagementClient(credential, subscription_id, settings.arm_endpoint, **arm)

    def table(name: str, endpoint: str = settings.table_endpoint) -> TableClient:
        return TableClient(
            endpoint,
            name,
            credential=credential,
            retry_total=_STORAGE_RETRIES,
            retry_backoff_factor=0.5,
            **_TIMEOUTS,
            **shared,
        )

    def queue_client(endpoint: str, name: str) -> QueueClient:
        return QueueClient(
            endpoint,
            name,
            credential,
            message_encode_policy=TextBase64EncodePolicy(),
            retry_total=_STORAGE_RETRIES,
            initial_backoff=1,
            increment_base=1,
            random_jitter_range=1,
            **_TIMEOUTS,
            **shared,
        )

    def queue(inbox: Inbox) -> MessageQueue:
        return MessageQueue(queue_client(settings.queue_endpoint, inbox))

    graph = ResourceGraph(ResourceGraphClient(credential, settings.arm_endpoint, **arm))
    topic, offerings = settings.outcomes_endpoint, table("offerings")
    # Without a policy: the API is public, and gets no token.
    prices: AsyncPipelineClient[Any, Any] = AsyncPipelineClient(
        settings.prices_endpoint, policies=[], **_TIMEOUTS, **shared
    )
    return Ports(
        graph=graph,
        compute=Compute(settings.arm_endpoint, new_compute_client),
        store=Tables(table("recoveries"), table("history"), table("pools"), table("health")),
        queue=queue(Inbox.SIGNALS),
        agents=queue(Inbox.AGENTS),
        events_topic=EventsTopic(
            EventGridPublisherClient(topic, credential, **(PATIENCE | _SOON), **shared) if topic else None
        ),
        pricing=Pricing(RetailPrices(settings.prices_endpoint, prices), Notes(offerings), PriceAlerts(offerings)),
        # Operators look with their own login, and change no size.
        resizing=_resizing(settings, arm) if settings.resize_client_id and login is None else None,
        work=_work(settings, graph, table, queue_client) if settings.work_queues else None,
    )


def _resizing(settings: Settings, arm: Mapping[str, Any]) -> Resizing:
    """Open what changes sizes, with its own identity: the app's own may not write VMs. ``arm``: clients' options."""
    resizer = Login(ManagedIdentityCredential(client_id=settings.resize_client_id))

    def new_client(subscription_id: str) -> ComputeManagementClient:
        return ComputeManagementClient(resizer, subscription_id, settings.arm_endpoint, **arm)

    policy = AsyncBearerTokenCredentialPolicy(resizer, f"{settings.arm_endpoint}/.default")
    lists: AsyncPipelineClient[Any, Any] = AsyncPipelineClient(settings.arm_endpoint, policies=[policy], **_TIMEOUTS)
    return Resizing(resizer=Resizer(new_client), arm=ResourceManager(settings, lists, resizer))


def _work(
    settings: Settings,
    graph: ResourceGraph,
    table: Callable[[str, str], TableClient],
    queue_client: Callable[[str, str], QueueClient],
) -> WorkPorts:
    """Open what only work queues need. Each queue and its table ``workers`` may be in an account of its own."""
    configured = {each.name: each for each in settings.work_queues}
    return WorkPorts(
        table=WorkTable(table("work", settings.table_endpoint)),
        queues=WorkQueues(
            cache(lambda name: queue_client(configured[name].queue_endpoint, name.queue)),
            cache(lambda name: table(WORKERS_TABLE, configured[name].table_endpoint)),
        ),
        wakes=Wakes(queue_client(settings.queue_endpoint, "wakes")),
        vms=graph,
    )
