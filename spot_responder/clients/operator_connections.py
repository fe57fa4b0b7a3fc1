"""Opens an operator's ports for the time of one command, and explains Azure's errors there.

Called by ``commands/run.py`` and, for the status page, by ``function_app.py``.
"""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from aiohttp import ClientSession, DummyCookieJar, TCPConnector
from azure.core import AsyncPipelineClient
from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables.aio import TableClient
from azure.identity.aio import DefaultAzureCredential
from azure.storage.blob.aio import ContainerClient
from azure.storage.queue.aio import QueueClient

from spot_responder.clients.connections import PATIENCE, connect
from spot_responder.clients.dead_letters import DeadLetters
from spot_responder.clients.graph import QueryResultError
from spot_responder.clients.logins import Login
from spot_responder.clients.operator_errors import could_not_look
from spot_responder.clients.resource_manager import ResourceManager
from spot_responder.clients.work.results import JobResults, results_table
from spot_responder.operators.ports import CouldNotLookError, OperatorPorts
from spot_responder.operators.views.dead_letters import Place
from spot_responder.responder.ports import StoreFailedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from spot_responder.clients.graph import ResourceGraph
    from spot_responder.clients.queue import MessageQueue
    from spot_responder.clients.tables import Tables
    from spot_responder.clients.work.queues import Wakes
    from spot_responder.intake.work_queue_names import WorkQueueName
    from spot_responder.settings import Settings


def _credential() -> DefaultAzureCredential:
    """Give the credential of the login.

    Raises:
        CouldNotLookError: if a variable that names the credential makes no sense.
    """
    try:
        return DefaultAzureCredential()
    except (OSError, ValueError) as error:
        what = f"the login's variables make no sense ({error})"
        raise CouldNotLookError(what, "mend or unset those that begin with AZURE_") from error


@asynccontextmanager
async def operator_ports(settings: Settings) -> AsyncIterator[OperatorPorts]:
    """Open the ports with the login that ``DefaultAzureCredential`` finds: the az CLI's, or a managed identity.

    Raises:
        CouldNotLookError: the error of storage or identity, in one line with what to do.
    """
    credential = Login(_credential())
    # Made here, so that the environment's certificates are read now, and not at the import.
    connector = TCPConnector(ssl=ssl.create_default_context())
    session = ClientSession(connector=connector, auto_decompress=False, cookie_jar=DummyCookieJar(), trust_env=True)
    transport = AioHttpTransport(session=session, connection_timeout=10, read_timeout=30)
    async with transport, credential:
        ports = connect(settings, credential, transport)
        shared: dict[str, Any] = {**PATIENCE, "transport": transport}
        policy = AsyncBearerTokenCredentialPolicy(credential, f"{settings.arm_endpoint}/.default")
        arm: AsyncPipelineClient[Any, Any] = AsyncPipelineClient(
            settings.arm_endpoint, policies=[policy], transport=transport
        )
        accounts = {queue.name: queue.table_endpoint for queue in settings.work_queues}

        def results(name: WorkQueueName) -> TableClient:
            return TableClient(accounts[name], results_table(name), credential=credential, **shared)

        dead_letters = DeadLetters(
            settings,
            queues={
                Place.SIGNALS: cast("MessageQueue", ports.queue).client,
                Place.AGENTS: cast("MessageQueue", ports.agents).client,
                **{
                    poison: QueueClient(settings.queue_endpoint, poison, credential, **shared)
                    for poison in (Place.POISON, Place.AGENTS_POISON, *([Place.WAKES_POISON] if ports.work else []))
                },
                **({Place.WAKES: cast("Wakes", ports.work.wakes).client} if ports.work else {}),
            },
            dead=ContainerClient(settings.dead_letters_endpoint, Place.DEAD, credential, **shared)
            if settings.dead_letters_endpoint
            else None,
        )
        try:
            yield OperatorPorts(
                app=ports,
                records=cast("Tables", ports.store),
                finder=cast("ResourceGraph", ports.graph),
                dead_letters=dead_letters,
                resource_manager=ResourceManager(settings, arm, credential),
                results=JobResults(cache(results)),
            )
        except StoreFailedError as failed:
            if not isinstance(failed.__cause__, AzureError):
                raise
            raise could_not_look(failed.__cause__, settings) from failed
        except QueryResultError as odd:
            raise CouldNotLookError(str(odd), "try again") from odd
        except AzureError as error:
            raise could_not_look(error, settings) from error
