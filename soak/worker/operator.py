"""An operator in virtual time, who requeues what was given up; storage may fail in the middle of that too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spot_worker.deciding.messages import read_poison
from spot_worker.running.poison_requeue import requeue
from spot_worker.running.ports import LeaseLostError, NotAsExpectedError, StorageError

from soak.worker.known import POISON
from soak.worker.outside import VirtualBlobs, VirtualQueue
from soak.worker.promises import QUEUE
from soak.worker.wire import Request

if TYPE_CHECKING:
    from soak.worker.account import Message
    from soak.worker.outside import Line


class _Nobody:
    """Hears nothing: what an operator asks of the queue breaks no promise."""

    def asks(self, who: str) -> None:
        """Do nothing."""

    def receives(self, who: str, message_id: str) -> None:
        """Do nothing."""

    def loses(self, who: str, message_id: str) -> None:
        """Do nothing."""


async def requeued(line: Line, message: Message) -> None:
    """Put one job back, and delete its message of the poison queue; what fails the operator does not try again."""
    poison = read_poison(message.message_id, message.text)
    try:
        await requeue(VirtualQueue(line, QUEUE, _Nobody()), VirtualBlobs(line, {}), QUEUE, poison)
        await line.ask(
            Request.DELETE_MESSAGE,
            lambda: line.account.take_away(line.who, POISON, message.message_id, message.receipt),
        )
    except (StorageError, LeaseLostError, NotAsExpectedError):
        return
