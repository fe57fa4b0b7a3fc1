"""The port of a trial to its own storage account. Opened by ``azure.py``."""

from __future__ import annotations

import base64
import binascii
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob.aio import BlobClient
from azure.storage.queue.aio import QueueClient

from spot_responder.intake.payloads import UnreadableEvent, parse_body
from spot_responder.trial.ports import Message
from spot_responder.trial.views.observations import Answered, Arrived

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline.transport import AioHttpTransport
    from azure.storage.queue import QueueMessage

_DONE: Final = 200
_MOST: Final = 32
_LONG_S: Final = 300


@dataclass(frozen=True, slots=True)
class TrialStorage:
    """Queues and blobs of one account. No request is tried again: a refusal is what a trial wants to see."""

    queue_endpoint: str
    blob_endpoint: str
    credential: AsyncTokenCredential
    transport: AioHttpTransport
    clock: Callable[[], datetime]

    async def drain(self, queue: str) -> tuple[Answered, Sequence[Arrived]]:
        """Take up to 32 messages off a queue, as they lie there."""
        taken: list[Arrived] = []

        async def work() -> None:
            client = self._queue(queue)
            async for message in client.receive_messages(max_messages=_MOST, visibility_timeout=_LONG_S):
                content = str(message.content)
                taken.append(Arrived(message.inserted_on or self.clock(), content, event_in(content)))
                await client.delete_message(message)
                if len(taken) >= _MOST:
                    return

        return await self._tried("drain", queue, work), taken

    async def put(self, queue: str, *, hidden_s: int = 0, lives_s: int) -> Answered:
        """Put a message on a queue."""
        client = self._queue(queue)
        return await self._tried(
            "put", queue, lambda: client.send_message("tried", visibility_timeout=hidden_s, time_to_live=lives_s)
        )

    async def receive(self, queue: str, *, hidden_s: int) -> tuple[Answered, Message | None]:
        """Receive one message."""
        found: list[QueueMessage] = []

        async def work() -> str:
            message = await self._queue(queue).receive_message(visibility_timeout=hidden_s)
            if message is not None:
                found.append(message)
            return "seen" if found else ""

        answer = await self._tried("receive", queue, work)
        return answer, Message(str(found[0].id), str(found[0].pop_receipt)) if found else None

    async def update(self, queue: str, message: Message, *, hidden_s: int) -> tuple[Answered, Message]:
        """Set a new visibility timeout."""
        new: list[Message] = []

        async def work() -> None:
            got = await self._queue(queue).update_message(
                message.message_id, message.receipt, content="tried", visibility_timeout=hidden_s
            )
            new.append(Message(message.message_id, str(got.pop_receipt)))

        answer = await self._tried("update", queue, work)
        return answer, new[0] if new else message

    async def delete(self, queue: str, message: Message) -> Answered:
        """Delete a message by its receipt."""
        client = self._queue(queue)
        return await self._tried("delete", queue, lambda: client.delete_message(message.message_id, message.receipt))

    async def count(self, queue: str) -> Answered:
        """Give the approximate number of messages."""

        async def work() -> int:
            return (await self._queue(queue).get_queue_properties()).approximate_message_count or 0

        return await self._tried("count", queue, work)

    async def create_blob(self, container: str, name: str, text: str, *, md5: bytes | None = None) -> Answered:
        """Write a blob that must not be there yet."""
        headers = {"Content-MD5": md5.decode()} if md5 else {}

        async def work() -> None:
            await self._blob(container, name).upload_blob(text.encode(), overwrite=False, headers=headers)

        return await self._tried("create", f"{container}/{name}", work)

    async def read_blob(self, container: str, name: str) -> Answered:
        """Read a blob."""

        async def work() -> str:
            stream = await self._blob(container, name).download_blob()
            return bytes(await stream.readall()).decode()

        return await self._tried("read", f"{container}/{name}", work)

    def _queue(self, name: str) -> QueueClient:
        # Without a policy the messages come as they lie there.
        return QueueClient(
            self.queue_endpoint, name, credential=self.credential, transport=self.transport, retry_total=0
        )

    def _blob(self, container: str, name: str) -> BlobClient:
        return BlobClient(
            self.blob_endpoint, container, name, credential=self.credential, transport=self.transport, retry_total=0
        )

    async def _tried(self, method: str, path: str, work: Callable[[], Awaitable[Any]]) -> Answered:
        begun = monotonic()
        try:
            done = await work()
        except HttpResponseError as error:
            told = str(getattr(error.error_code, "value", "") if hasattr(error, "error_code") else "")
            headers = _headers(error)
            return Answered(self.clock(), method, path, error.status_code or 0, headers, told, monotonic() - begun)
        except AzureError as error:
            return Answered(self.clock(), method, path, 0, body=str(error.message), took_s=monotonic() - begun)
        body = done if isinstance(done, str | int) else None
        return Answered(self.clock(), method, path, _DONE, body=body, took_s=monotonic() - begun)


def _headers(error: HttpResponseError) -> Mapping[str, str]:
    return {name.lower(): value for name, value in dict(getattr(error.response, "headers", {})).items()}


def event_in(content: str) -> Mapping[str, object] | None:
    """Read the event in a message, in base64 or plain; ``None`` where there is none."""
    with suppress(binascii.Error, ValueError, UnreadableEvent):
        return parse_body(base64.b64decode(content, validate=True))
    with suppress(UnreadableEvent):
        return parse_body(content)
    return None
