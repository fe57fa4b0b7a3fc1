"""Dead letters: the messages of the poison queues, and the blobs in which Event Grid leaves events."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import StorageErrorCode

from spot_responder.clients.operator_errors import could_not_look, dead_letters_not_set
from spot_responder.intake.payloads import parse_body
from spot_responder.operators.ports import CouldNotLookError
from spot_responder.operators.views.dead_letters import (
    DeadLetter,
    Place,
    QueueCounts,
    Unseen,
    WakeCounts,
    without_dead_letter_fields,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from azure.storage.blob import BlobProperties
    from azure.storage.blob.aio import ContainerClient
    from azure.storage.queue import QueueMessage
    from azure.storage.queue.aio import QueueClient

    from spot_responder.settings import Settings

_FRONT: Final = 32
"""How many messages a queue shows at once: those at its front, and no others."""

_LEASE_S: Final = 60
"""How long the messages of the poison queue are leased while the right one is looked for."""

_MOST_BLOBS: Final = 500
"""How many blobs of dead letters are read at once; all are counted."""


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Reads both. ``queues``: those of the app, which encode in base64, and the poison queues, which do not.

    ``dead`` is ``None`` where the settings do not say where dead letters are.
    """

    settings: Settings
    queues: Mapping[Place, QueueClient]
    dead: ContainerClient | None

    async def counts(self) -> QueueCounts:
        """Count the messages of each place; ``None`` where it could not be looked, with why."""
        places = [place for place in Place if self._has(place)]
        counted = dict(zip(places, await asyncio.gather(*map(self._counted, places)), strict=True))
        wakes = (
            WakeCounts(_number(counted[Place.WAKES]), _number(counted[Place.WAKES_POISON])) if self.has_wakes else None
        )
        return QueueCounts(
            signals=_number(counted[Place.SIGNALS]),
            poison=_number(counted[Place.POISON]),
            agents=_number(counted[Place.AGENTS]),
            agents_poison=_number(counted[Place.AGENTS_POISON]),
            dead_letters=_number(counted[Place.DEAD]),
            unseen=tuple(each for each in counted.values() if isinstance(each, Unseen)),
            wakes=wakes,
        )

    async def dead_letters(self, place: Place) -> list[DeadLetter]:
        """Read what lies in a place, oldest first; of a poison queue, the 32 messages at its front.

        Nothing lies in a place that the deployment does not have.

        Raises:
            CouldNotLookError: if the place cannot be looked into.
        """
        try:
            if not self._has(place):
                return []
            if place is not Place.DEAD:
                return [_poison_message(message, place) for message in await self.queues[place].peek_messages(_FRONT)]
            dead_letters = [dead_letter async for dead_letter in self._dead_letters()]
            return sorted(dead_letters, key=lambda dead_letter: dead_letter.at.timestamp() if dead_letter.at else 0.0)
        except AzureError as error:
            raise could_not_look(error, self.settings) from error

    async def requeue(self, dead_letter: DeadLetter) -> bool:
        """Put its events on the queue that they came from, then remove it: an event that is there twice counts once."""
        if dead_letter.place is not Place.DEAD:
            return await self._take_poison(dead_letter, requeue=True)
        if not await self._dead().get_blob_client(dead_letter.receipt).exists():
            return False
        for body in dead_letter.bodies:
            event = without_dead_letter_fields(parse_body(body))
            await self._queue_of(dead_letter).send_message(json.dumps(event), time_to_live=-1)
        return await self._remove_dead(dead_letter)

    async def drop(self, dead_letter: DeadLetter) -> bool:
        """Remove it."""
        if dead_letter.place is not Place.DEAD:
            return await self._take_poison(dead_letter, requeue=False)
        return await self._remove_dead(dead_letter)

    async def _take_poison(self, dead_letter: DeadLetter, *, requeue: bool) -> bool:
        """Lease messages from the queue's front, page by page, until the right one is among them."""
        poison = self.queues[dead_letter.place]
        taken: list[QueueMessage] = []
        found: QueueMessage | None = None
        try:
            pages = poison.receive_messages(messages_per_page=_FRONT, visibility_timeout=_LEASE_S).by_page()
            async for page in pages:
                seen = [message async for message in page]
                taken += seen
                found = next((message for message in seen if message.id == dead_letter.receipt), None)
                if found or not seen:
                    break
            if found is None:
                return False
            if requeue:
                await self._queue_of(dead_letter).send_message(_decoded(found.content), time_to_live=-1)
            await poison.delete_message(found)
            taken.remove(found)
            return True
        finally:
            for message in taken:
                await poison.update_message(message, visibility_timeout=0)

    def _queue_of(self, dead_letter: DeadLetter) -> QueueClient:
        return self.queues[dead_letter.place.comes_from]

    @property
    def has_wakes(self) -> bool:
        """Whether the deployment has work queues, and so the queues of wakes."""
        return Place.WAKES in self.queues

    def _has(self, place: Place) -> bool:
        return place is Place.DEAD or place in self.queues

    async def _counted(self, place: Place) -> int | Unseen:
        try:
            return await (self._dead_count() if place is Place.DEAD else _depth(self.queues[place]))
        except AzureError as error:
            problem = could_not_look(error, self.settings)
        except CouldNotLookError as error:
            problem = error
        return Unseen(place, problem.what, problem.mend, is_wrong=problem.is_wrong)

    async def _dead_count(self) -> int:
        return len([name async for name in self._dead().list_blob_names()])

    def _dead(self) -> ContainerClient:
        """Give the container.

        Raises:
            CouldNotLookError: if the settings do not say where dead letters are.
        """
        if self.dead is None:
            raise dead_letters_not_set()
        return self.dead

    async def _dead_letters(self) -> AsyncIterator[DeadLetter]:
        async for blob in _first(self._dead(), _MOST_BLOBS):
            download = await self._dead().download_blob(blob.name)
            bodies = _events(await download.readall())
            yield DeadLetter(Place.DEAD, _short(blob.name), blob.creation_time, bodies, blob.name)

    async def _remove_dead(self, dead_letter: DeadLetter) -> bool:
        try:
            await self._dead().delete_blob(dead_letter.receipt)
        except ResourceNotFoundError as error:
            if getattr(error, "error_code", None) != StorageErrorCode.BLOB_NOT_FOUND:
                raise
            return False
        return True


async def _first(container: ContainerClient, most: int) -> AsyncIterator[BlobProperties]:
    seen = 0
    async for blob in container.list_blobs():
        if seen == most:
            return
        seen += 1
        yield blob


def _number(counted: int | Unseen) -> int | None:
    return None if isinstance(counted, Unseen) else counted


async def _depth(queue: QueueClient) -> int:
    properties: Any = await queue.get_queue_properties()
    return int(properties.approximate_message_count)


def _poison_message(message: QueueMessage, place: Place) -> DeadLetter:
    return DeadLetter(
        place,
        _short(message.id),
        message.inserted_on,
        (_decoded(message.content),),
        message.id,
        is_base64=_bytes_of(message.content) is not None,
    )


def _decoded(content: object) -> str:
    """Read a message as the host does; one that is not base64 is shown, and goes back, as it lies there."""
    held = _bytes_of(content)
    try:
        return str(content) if held is None else held.decode()
    except UnicodeDecodeError:
        return str(content)


def _bytes_of(content: object) -> bytes | None:
    """Decode a message; ``None`` where it is not base64."""
    try:
        return base64.b64decode("".join(str(content).split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def _events(content: bytes) -> tuple[str, ...]:
    """Read a blob: an array of events, as Event Grid writes it; anything else is one thing."""
    text = content.decode("utf-8", "replace")
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return (text,)
    return tuple(json.dumps(event) for event in read) if isinstance(read, list) else (text,)


def _short(name: str) -> str:
    """Give an id that a person can type."""
    return hashlib.sha256(name.encode()).hexdigest()[:8]
