"""What a deployment makes in storage: the app's queues and tables and, where there are any, its work queues.

Work queues are in an account of their own, that of a team that has its jobs done. Called by ``laptop.py``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from azure.data.tables.aio import TableServiceClient
from azure.storage.queue import TextBase64DecodePolicy, TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

from localazure.runtime.azurite import WORK_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AsyncExitStack
    from pathlib import Path

    from azure.core.credentials_async import AsyncTokenCredential

    from localazure.runtime.azurite import Storage

    type WorkQueueParameter = Mapping[str, str | int]
    """An entry of the deployment's parameter ``workQueues``, without ``accountId``."""

SIGNALS: Final = "signals"
AGENTS: Final = "agents"
WAKES: Final = "wakes"
STORE: Final = ("recoveries", "history", "pools", "health")
"""The tables of the app's own records."""

TABLES: Final = (*STORE, "offerings")
WORK_TABLES: Final = ("work",)
"""Those that are made only where there are work queues."""

WORKERS: Final = "workers"


@dataclass(frozen=True, slots=True)
class DeployedStorage:
    """The queues and tables that were made. Of ``wakes`` there is a client only, where there are no work queues."""

    signals: QueueClient
    signals_poison: QueueClient
    agents: QueueClient
    agents_poison: QueueClient
    wakes: QueueClient
    tables: TableServiceClient


@dataclass(frozen=True, slots=True)
class _Owner:
    """Who makes it all, and closes what it used."""

    credential: AsyncTokenCredential
    authority: Path
    stack: AsyncExitStack

    async def queue(self, account: str, name: str, *, make: bool = True) -> QueueClient:
        queue = QueueClient(
            account,
            name,
            credential=self.credential,
            connection_verify=str(self.authority),
            message_encode_policy=TextBase64EncodePolicy(),
            message_decode_policy=TextBase64DecodePolicy(),
        )
        await self.stack.enter_async_context(queue)
        if make:
            await queue.create_queue()
        return queue

    async def tables(self, account: str, *names: str) -> TableServiceClient:
        tables = TableServiceClient(account, credential=self.credential, connection_verify=str(self.authority))
        await self.stack.enter_async_context(tables)
        for name in names:
            await tables.create_table(name)
        return tables


async def deploy_storage(
    storage: Storage,
    credential: AsyncTokenCredential,
    authority: Path,
    stack: AsyncExitStack,
    work_queues: Sequence[WorkQueueParameter] = (),
) -> DeployedStorage:
    """Make queues and tables, as the deployment does. ``credential``: the owner's."""
    owner = _Owner(credential, authority, stack)
    has_work = bool(work_queues)
    if has_work:
        await owner.queue(storage.queue_uri, f"{WAKES}-poison")
        await owner.tables(storage.work_table_uri, WORKERS)
    for each in work_queues:
        await owner.queue(storage.work_queue_uri, str(each["queue"]))
    return DeployedStorage(
        signals=await owner.queue(storage.queue_uri, SIGNALS),
        signals_poison=await owner.queue(storage.queue_uri, f"{SIGNALS}-poison"),
        agents=await owner.queue(storage.queue_uri, AGENTS),
        agents_poison=await owner.queue(storage.queue_uri, f"{AGENTS}-poison"),
        wakes=await owner.queue(storage.queue_uri, WAKES, make=has_work),
        tables=await owner.tables(storage.table_uri, *TABLES, *(WORK_TABLES if has_work else ())),
    )


def work_queues_setting(storage: Storage, work_queues: Sequence[WorkQueueParameter]) -> dict[str, str]:
    """Give the app's setting ``WORK_QUEUES``, as ``infra/main.bicep`` makes it; nothing where there are none."""
    entries = [
        {
            "name": f"{WORK_ACCOUNT}/{each['queue']}",
            "queueEndpoint": storage.work_queue_uri,
            "tableEndpoint": storage.work_table_uri,
            **{name: value for name, value in each.items() if name != "queue"},
        }
        for each in work_queues
    ]
    return {"WORK_QUEUES": json.dumps(entries)} if entries else {}
