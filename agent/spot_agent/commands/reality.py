"""What is real while ``rehearse`` plays: a notice that Azure shows, or that the agent has under way; another rehearsal.

A rehearsal's ``recover`` would undo what is being saved because of a real notice.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from spot_agent.deciding.plans import PLANS, names
from spot_agent.deciding.state import State, UnreadableStateError, read_state
from spot_agent.edges.clock import boot_id
from spot_agent.edges.disk import is_in_use
from spot_agent.edges.metadata import MetadataError, MetadataService

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from spot_agent.configuration import Configuration
    from spot_agent.deciding.documents import ScheduledEvent

_WITHIN_S: Final = 1.0


class RehearsalRefusedError(Exception):
    """Something real is under way, or another rehearsal."""


@contextmanager
def alone(hooks: Path) -> Iterator[None]:
    """Let no other rehearsal of these hooks be under way. Raises ``RehearsalRefusedError``."""
    try:
        handle = os.open(hooks, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:  # there are only units
        yield
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        message = f"another rehearsal of {hooks} is under way"
        raise RehearsalRefusedError(message) from error
    try:
        yield
    finally:
        os.close(handle)


class Reality:
    """Looks at the metadata service and at the state of the agent. A service that does not answer is asked once."""

    def __init__(self, configuration: Configuration) -> None:
        """Nothing is looked at yet."""
        self._state = configuration.state
        self._metadata: MetadataService | None = MetadataService(configuration.imds)
        self._has_answered = False
        self._name = ""

    @property
    def is_in_hand(self) -> bool:
        """Whether an agent runs that acts upon a real notice; one that we may not look at is taken to."""
        try:
            return is_in_use(self._state)
        except OSError:
            return True

    def notice(self) -> str:
        """Say which real notice is under way, empty if none is known."""
        state = self._read_state()
        for notice in state.notices if state and state.boot_id == boot_id() else ():
            if notice.is_open and notice.boot_id == boot_id() and _stops_work(notice.event):
                return f"the agent acts upon {notice.event.type_name} {notice.event.id}"
        for event in self._shown(state):
            if _stops_work(event):
                return f"Azure shows {event.type_name} {event.id} ({event.status})"
        return ""

    def recovery(self) -> str:
        """Say which recovery is under way, empty if none is: what is not loaded yet must not be saved."""
        state = self._read_state()
        return f"recovery {state.recovery.id} is not complete" if state and state.recovery else ""

    def _read_state(self) -> State | None:
        try:
            return read_state((self._state / "state.json").read_text("utf-8"))
        except (OSError, UnicodeDecodeError, UnreadableStateError):
            return None

    def _shown(self, state: State | None) -> list[ScheduledEvent]:
        """Give the events that Azure shows of this VM; while it is not known how it is called, all."""
        if self._metadata is None:
            return []
        try:
            events = self._metadata.events(_WITHIN_S).events
        except MetadataError:
            if not self._has_answered:  # no VM of Azure's, or a service that is slow: each of our answers would be late
                self._metadata = None
            return []
        self._has_answered = True
        name = self._own_name(self._metadata, state) if events else ""
        over = {one.event.id.casefold() for one in state.notices if not one.is_open} if state else set()
        return [
            event
            for event in events
            if (not name or names(event, name)) and not (event.is_started and event.id.casefold() in over)
        ]

    def _own_name(self, metadata: MetadataService, state: State | None) -> str:
        if not self._name:
            with suppress(MetadataError):
                self._name = state.machine.name if state and state.machine else metadata.machine(_WITHIN_S).name
        return self._name


def _stops_work(event: ScheduledEvent) -> bool:
    return event.type in PLANS and PLANS[event.type].drains
