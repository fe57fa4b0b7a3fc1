"""Asks the metadata service, in threads of its own, and lets the agent hear what it says.

Two askers look for events. The quick one asks each second and waits a second: an eviction may be shown for less than
two. The patient one asks whenever the quick one has had no answer for a while, and waits up to 130 seconds: the first
answer after a boot may take two minutes, and switches events on.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from spot_agent.deciding.heard import DocumentRead, MachineRead
from spot_agent.edges.metadata import MetadataError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from spot_agent.deciding.heard import Heard
    from spot_agent.edges.metadata import Metadata

EVERY_S: Final = 1.0
FIRST_ANSWER_WITHIN_S: Final = 130.0
_AFTER_S: Final = 0.3
"""The service takes 5 requests a second: the patient one goes first, and finds out the version."""
_NO_ANSWER_FOR_S: Final = 3.0
ASKS_WITHIN_S: Final = 10.0
"""A try that takes longer to begin is not one that waits: the quick asker hangs."""
_WHO_WE_ARE_AGAIN_S: Final = 60.0
"""Fault and update domain may change; the name does not, but an answer may have been wrong."""


class Poller:
    """The askers. ``last_answer_at`` in seconds since 1970, ``None`` until the first one."""

    def __init__(self, metadata: Metadata, hear: Callable[[Heard], None], say: Callable[[str], None]) -> None:
        """Nothing is asked yet."""
        self._metadata, self._hear, self._say = metadata, hear, say
        self._answered = time.monotonic() - _NO_ANSWER_FOR_S
        self._tried = time.monotonic()
        self._trouble = ""
        self.last_answer_at: float | None = None

    def is_asking(self, now: float) -> bool:
        """Whether the quick asker goes on asking, be it answered or not, at ``now`` (monotonic seconds)."""
        return now - self._tried < ASKS_WITHIN_S

    def ask_quickly(self, has_ended: threading.Event) -> None:
        """Ask each second, from the beginning of one try to that of the next."""
        pause = _AFTER_S
        while not has_ended.wait(pause):
            began = self._tried = time.monotonic()
            self._ask(EVERY_S)
            pause = max(began + EVERY_S - time.monotonic(), 0.0)

    def ask_patiently(self, has_ended: threading.Event) -> None:
        """Ask, and wait for long, while the quick tries have no answer."""
        pause = 0.0
        while not has_ended.wait(pause):
            pause = _NO_ANSWER_FOR_S
            if time.monotonic() - self._answered >= _NO_ANSWER_FOR_S:
                self._ask(FIRST_ANSWER_WITHIN_S)

    def ask_who_we_are(self, has_ended: threading.Event) -> None:
        """Ask until it is known, and now and then afterwards."""
        pause = 0.0
        while not has_ended.wait(pause):
            try:
                self._hear(MachineRead(self._metadata.machine()))
                pause = _WHO_WE_ARE_AGAIN_S
            except MetadataError:
                pause = EVERY_S  # the other askers say what is wrong

    def _ask(self, within_s: float) -> None:
        asked_at = time.monotonic()
        try:
            document = self._metadata.events(within_s)
        except MetadataError as error:
            self._note(str(error))
            return
        self._answered, self.last_answer_at = time.monotonic(), time.time()
        self._note("; ".join(document.unreadable))
        self._hear(DocumentRead(document, asked_at))

    def _note(self, trouble: str) -> None:
        """Say what is wrong when it changes, not each second."""
        if trouble and not self._trouble:
            self._say(f"{trouble} (asked again each second)")
        elif self._trouble and not trouble:
            self._say("the metadata service answers again")
        self._trouble = trouble
