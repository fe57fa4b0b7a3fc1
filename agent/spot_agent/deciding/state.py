"""What the agent knows, as it stands on disk: after a power loss at any point it is all that is left.

``notices.py`` and ``recoveries.py`` change it; ``edges/disk.py`` keeps it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from enum import Enum
from math import isfinite
from typing import TYPE_CHECKING, Any

from spot_agent.deciding.documents import EventType, ScheduledEvent
from spot_agent.deciding.times import iso, read_time

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_FORMAT = 1
_CLOSED_KEPT = 30
"""So many events that are over are remembered, lest one that is still shown be taken for new."""


class Stage(str, Enum):
    """How far the phases of a notice are. ``NOTED``: seen, nothing begun."""

    NOTED = "noted"
    ACTING = "acting"
    SAVED = "saved"
    FINISHED = "finished"
    UNDOING = "undoing"
    CLOSED = "closed"


@dataclass(frozen=True)
class Machine:
    """The VM we run in, by the metadata service. ``name`` is what events call it."""

    name: str
    vm_id: str
    resource_id: str
    fault_domain: str = ""
    update_domain: str = ""


@dataclass(frozen=True)
class Notice:
    """One event that is about us, or may be (``is_ours`` is ``None`` while our own name is not known).

    ``boot_id`` and ``run_id`` are those in which it was acted on last; ``hooks_done`` ended well and are not run again.
    """

    event: ScheduledEvent
    detected_at: datetime
    boot_id: str
    run_id: str
    seconds_left: float | None
    is_ours: bool | None
    stage: Stage = Stage.NOTED
    is_told: bool = False
    is_acknowledged: bool = False
    hooks_done: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it is not over."""
        return self.stage is not Stage.CLOSED


@dataclass(frozen=True)
class Recovery:
    """What is to be completed once before the VM takes work again. ``id`` stays the same until it is.

    ``event_id`` is that of the notice before it; ``had_notice`` says whether there was one in time.
    """

    id: str
    down_since: datetime | None
    had_notice: bool
    event_id: str | None
    boot_id: str


@dataclass(frozen=True)
class Ready:
    """A recovery that is complete, and could not be told because we do not know yet who we are."""

    recovery: Recovery
    ready_at: datetime


@dataclass(frozen=True)
class Message:
    """A CloudEvent for the responder; ``id`` is the same on every try."""

    id: str
    made_at: datetime
    event: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True)
class State:
    """All of it. ``run_id`` names the process, ``boot_id`` the boot; ``unsent``: what the queue has not got yet."""

    boot_id: str
    run_id: str
    machine: Machine | None = None
    notices: tuple[Notice, ...] = ()
    recovery: Recovery | None = None
    ready: tuple[Ready, ...] = ()
    unsent: tuple[Message, ...] = ()

    def notice(self, event_id: str) -> Notice | None:
        """Find the notice of an event; ids are compared without regard to case."""
        found = [one for one in self.notices if one.event.id.casefold() == event_id.casefold()]
        return found[0] if found else None

    def with_notice(self, notice: Notice) -> State:
        """Put a notice in its place, or at the end."""
        if not self.notice(notice.event.id):
            return replace(self, notices=(*self.notices, notice))
        same = notice.event.id.casefold()
        return replace(self, notices=tuple(notice if n.event.id.casefold() == same else n for n in self.notices))

    def open_notices(self) -> tuple[Notice, ...]:
        """Give what this run has not finished with; what an earlier run left is taken up when it is shown again."""
        return tuple(one for one in self.notices if one.is_open and one.run_id == self.run_id)

    def pruned(self, shown: frozenset[str]) -> State:
        """Forget the oldest of what is over, but nothing that is still shown (ids in lower case): it would seem new."""
        closed = [one for one in self.notices if not one.is_open and one.event.id.casefold() not in shown]
        forgotten = {id(one) for one in closed[:-_CLOSED_KEPT]}
        return replace(self, notices=tuple(one for one in self.notices if id(one) not in forgotten))


class UnreadableStateError(ValueError):
    """The file holds no state that we wrote."""


def write_state(state: State) -> str:
    """Write the state as JSON."""
    ready = [{"recovery": _write_recovery(one.recovery), "ready_at": iso(one.ready_at)} for one in state.ready]
    written = {
        "format": _FORMAT,
        "boot_id": state.boot_id,
        "run_id": state.run_id,
        "machine": state.machine and vars(state.machine),
        "notices": [_write_notice(one) for one in state.notices],
        "recovery": state.recovery and _write_recovery(state.recovery),
        "ready": ready,
        "unsent": [{**vars(one), "made_at": iso(one.made_at)} for one in state.unsent],
    }
    return json.dumps(written, indent=1) + "\n"


def read_state(text: str) -> State:
    """Read what ``write_state`` wrote. Raises ``UnreadableStateError``."""
    try:
        state = _read_state(json.loads(text))
        _check_kinds(state)
    except Exception as error:
        message = f"no state of this agent: {error!r}"
        raise UnreadableStateError(message) from error
    return state


def _read_state(written: Mapping[str, Any]) -> State:
    if written["format"] != _FORMAT:
        message = f"format {written['format']}"
        raise UnreadableStateError(message)
    return State(
        boot_id=written["boot_id"],
        run_id=written["run_id"],
        machine=written["machine"] and Machine(**written["machine"]),
        notices=tuple(_read_notice(one) for one in written["notices"]),
        recovery=written["recovery"] and _read_recovery(written["recovery"]),
        ready=tuple(Ready(_read_recovery(one["recovery"]), read_time(one["ready_at"])) for one in written["ready"]),
        unsent=tuple(Message(one["id"], read_time(one["made_at"]), one["event"]) for one in written["unsent"]),
    )


def _check_kinds(state: State) -> None:
    """Raise ``TypeError`` where a value of another kind should stand: it would fail with each document."""
    words: list[object] = [state.boot_id, state.run_id, *(one.id for one in state.unsent)]
    words += vars(state.machine).values() if state.machine else ()
    recoveries = [*filter(None, [state.recovery]), *(one.recovery for one in state.ready)]
    for recovery in recoveries:
        words += [recovery.id, recovery.boot_id, recovery.event_id or ""]
    for notice in state.notices:
        event = notice.event
        words += [event.id, event.type_name, event.source, notice.boot_id, notice.run_id]
        words += [*event.resources, *notice.hooks_done]
    numbers = [notice.event.duration_s for notice in state.notices]
    numbers += [left for notice in state.notices if (left := notice.seconds_left) is not None]
    flags: list[object] = [one.had_notice for one in recoveries]
    flags += [flag for one in state.notices for flag in (one.event.is_started, one.is_told, one.is_acknowledged)]
    flags += [one.is_ours for one in state.notices if one.is_ours is not None]
    wrong = [word for word in words if not isinstance(word, str)]
    wrong += [number for number in numbers if not _is_number(number)]
    wrong += [flag for flag in flags if not isinstance(flag, bool)]
    if wrong:
        message = f"{wrong[0]!r} where a value of another kind should be"
        raise TypeError(message)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


def _write_notice(notice: Notice) -> dict[str, Any]:
    event = notice.event
    return {
        **vars(notice),
        "event": {**vars(event), "type": event.type.value, "not_before": event.not_before and iso(event.not_before)},
        "detected_at": iso(notice.detected_at),
        "stage": notice.stage.value,
    }


def _read_notice(written: Mapping[str, Any]) -> Notice:
    event = written["event"]
    return Notice(
        **{
            **written,
            "event": ScheduledEvent(
                **{
                    **event,
                    "type": EventType(event["type"]),
                    "not_before": event["not_before"] and read_time(event["not_before"]),
                    "resources": tuple(event["resources"]),
                }
            ),
            "detected_at": read_time(written["detected_at"]),
            "stage": Stage(written["stage"]),
            "hooks_done": tuple(written["hooks_done"]),
        }
    )


def _write_recovery(recovery: Recovery) -> dict[str, Any]:
    return {**vars(recovery), "down_since": recovery.down_since and iso(recovery.down_since)}


def _read_recovery(written: Mapping[str, Any]) -> Recovery:
    since = written["down_since"]
    return Recovery(**{**written, "down_since": since and read_time(since)})
