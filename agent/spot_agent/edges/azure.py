"""What the agent tells Azure, beside its own thread: acknowledgements and messages. Holds the token, fetched ahead.

Made by ``run.py``; what became of it is heard by the agent.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from spot_agent.deciding.heard import OK, Acknowledged, Sent
from spot_agent.edges import storage_queue
from spot_agent.edges.aside import begin_aside, outcome_of
from spot_agent.edges.metadata import MetadataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from spot_agent.deciding.heard import Heard
    from spot_agent.deciding.state import Message
    from spot_agent.edges.metadata import Metadata, Token

_AHEAD_S: Final = 1800.0
"""A token is renewed so long before it expires; it lives for an hour at least."""
_AGAIN_S: Final = 30.0
_TOKEN_WITHIN_S: Final = 1.2
"""A try waits so long for the first token: a notice may come in the agent's first second."""
_AFTER_S: Final = 0.7
"""The service takes 5 requests a second: when we begin, events go first."""


class TokenKeeper:
    """The newest token. ``keep`` runs in a thread of its own, so that nobody waits for one when time is short."""

    def __init__(self, metadata: Metadata, client_id: str, say: Callable[[str], None]) -> None:
        """Nothing is fetched yet."""
        self._metadata, self._client_id, self._say = metadata, client_id, say
        self._token: Token | None = None
        self._good_until = 0.0
        self._trouble = ""
        self._has_one = threading.Event()

    def current(self, within_s: float = 0.0) -> str | None:
        """Give a token that is still good, if there is one; wait so long for the first one."""
        self._has_one.wait(within_s)
        token = self._token
        return token.value if token and time.monotonic() < self._good_until else None

    def keep(self, has_ended: threading.Event) -> None:
        """Fetch, and renew ahead of time, until the agent ends. A try that failed is repeated soon."""
        pause = _AFTER_S
        while not has_ended.wait(pause):
            try:
                self._token = self._metadata.token(self._client_id)
            except MetadataError as error:
                self._note(f"no token for the queue: {error}")
                pause = min(pause * 2, _AGAIN_S)
            else:
                self._note("")
                self._good_until = time.monotonic() + self._token.lives_s
                self._has_one.set()
                pause = max(self._token.lives_s - _AHEAD_S, _AGAIN_S)

    def _note(self, trouble: str) -> None:
        if trouble and not self._trouble:
            self._say(trouble)
        self._trouble = trouble


class AzureEdge:
    """Tells Azure, each time in a thread of its own."""

    def __init__(
        self, metadata: Metadata, queue: str, token: Callable[[float], str | None], hear: Callable[[Heard], None]
    ) -> None:
        """``token`` gives the newest one, ``None`` if there is none within so many seconds."""
        self._metadata, self._queue, self._token, self._hear = metadata, queue, token, hear

    def acknowledge(self, event_id: str) -> None:
        """Tell the metadata service that an event may start."""
        if refused := begin_aside(self._acknowledge, event_id):
            self._hear(Acknowledged(event_id, refused))

    def send(self, message: Message) -> None:
        """Put a message on the queue."""
        if refused := begin_aside(self._send, message):
            self._hear(Sent(message.id, refused))

    def _acknowledge(self, event_id: str) -> None:
        self._hear(Acknowledged(event_id, outcome_of(lambda: self._approve(event_id))))

    def _approve(self, event_id: str) -> str:
        try:
            self._metadata.acknowledge(event_id)
        except MetadataError as error:
            return str(error)
        return OK

    def _send(self, message: Message) -> None:
        self._hear(Sent(message.id, outcome_of(lambda: self._put(message))))

    def _put(self, message: Message) -> str:
        deadline = time.monotonic() + storage_queue.TRY_WITHIN_S
        token = self._token(_TOKEN_WITHIN_S)
        if token is None:
            return "there is no token yet"
        try:
            storage_queue.put(self._queue, token, message.event, deadline - time.monotonic())
        except storage_queue.QueueError as error:
            return str(error)
        return OK
