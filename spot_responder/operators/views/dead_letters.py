"""Dead letters and the places of messages: where they lie, what is in them, and what goes back onto the queue. Pure.

Called by ``commands/replay.py``; ``clients/dead_letters.py`` reads and moves them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, assert_never

from spot_responder.intake.inboxes import read_from
from spot_responder.intake.own_messages import LARGEST
from spot_responder.intake.payloads import NotOurs, UnreadableEvent, parse_body
from spot_responder.intake.signals import Inbox
from spot_responder.text import one_line, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_DEAD_LETTER_FIELDS: Final = frozenset(
    {"deadletterreason", "deliveryattempts", "lastdeliveryoutcome", "publishtime", "lastdeliveryattempttime"}
)
"""The attributes that Event Grid adds to an event that it could not deliver (docs/azure-facts.md delivery-3)."""

_DEAD_LETTER_ALSO: Final = frozenset({"deadletterproperties", "lasthttpstatuscode"})
"""The further names of such attributes in Event Grid's documentation."""


class Place(StrEnum):
    """Where messages lie: the app's queues, and the places of dead letters. Wakes only where there are work queues."""

    SIGNALS = "signals"
    POISON = "signals-poison"
    AGENTS = "agents"
    AGENTS_POISON = "agents-poison"
    WAKES = "wakes"
    WAKES_POISON = "wakes-poison"
    DEAD = "event-dead-letters"

    @property
    def comes_from(self) -> Place:
        """The queue that its messages came from, and are requeued to."""
        match self:
            case Place.AGENTS | Place.AGENTS_POISON:
                return Place.AGENTS
            case Place.WAKES | Place.WAKES_POISON:
                return Place.WAKES
            case Place.SIGNALS | Place.POISON | Place.DEAD:
                return Place.SIGNALS
            case _:
                assert_never(self)

    @property
    def unit(self) -> str:
        """What is counted there."""
        return "blob" if self is Place.DEAD else "message"

    @property
    def what_lies_there(self) -> str:
        """What lies there, in words: "2 messages in signals-poison: given up by the host"."""
        match self:
            case Place.SIGNALS | Place.AGENTS | Place.WAKES:
                return "to be read, or waiting for their time"
            case Place.POISON | Place.AGENTS_POISON | Place.WAKES_POISON:
                return "given up by the host"
            case Place.DEAD:
                return "not delivered by Event Grid"
            case _:
                assert_never(self)


DEAD_LETTERS: Final = (Place.POISON, Place.AGENTS_POISON, Place.WAKES_POISON, Place.DEAD)
"""The places of dead letters."""


_WAKE_SHOWN: Final = 80
"""How many characters of a wake are shown: the name of a work queue, or the beginning of a blob's event."""

_NOT_GIVEN: Final = "not in base64: the host never gave it to the app (requeued, it is in base64)"
_NO_REASON: Final = "it does not say; as a rule the app failed at it five times, and its log says how"
_BLOB_WITHOUT_REASON: Final = "its blob does not say why Event Grid gave it up"


@dataclass(frozen=True, slots=True)
class Unseen:
    """A queue, or the container, that could not be looked into: why, and what to do about it.

    ``is_wrong``: it is missing, or does not answer. Otherwise this login may not look, or it was not looked for.
    """

    place: str
    why: str
    mend: str
    is_wrong: bool


@dataclass(frozen=True, slots=True)
class WakeCounts:
    """The numbers of wakes: those to be read, delayed ones included, and those given up on."""

    waiting: int | None
    poison: int | None


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """The numbers of messages: in each queue (delayed ones included), given up on, and of blobs of dead letters.

    ``None`` where the place could not be looked into; ``unseen`` says why. ``wakes``: ``None`` without work queues.
    """

    signals: int | None
    poison: int | None
    dead_letters: int | None
    agents: int | None
    agents_poison: int | None
    unseen: tuple[Unseen, ...] = ()
    wakes: WakeCounts | None = None

    @property
    def by_place(self) -> Mapping[Place, int | None]:
        """Give the numbers by place, of each place that the deployment has."""
        of_wakes = {Place.WAKES: self.wakes.waiting, Place.WAKES_POISON: self.wakes.poison} if self.wakes else {}
        return {
            Place.SIGNALS: self.signals,
            Place.POISON: self.poison,
            Place.AGENTS: self.agents,
            Place.AGENTS_POISON: self.agents_poison,
            **of_wakes,
            Place.DEAD: self.dead_letters,
        }


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message, or one blob. ``dead_letter_id`` is short enough to be typed.

    ``bodies`` are its events as they came: one in a message, any number in a blob. ``receipt`` is what the port
    needs to find it again. ``is_base64``: whether it lay there as the host takes messages; any other message the
    host moves to the poison queue without giving it to the app.
    """

    place: Place
    dead_letter_id: str
    at: datetime | None
    bodies: tuple[str, ...]
    receipt: str = ""
    is_base64: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """What a dead letter says, in a line: about which VM, what, and whether the app can read it."""

    vm: str
    what: str
    readable: bool
    why: str


def read_dead_letter(dead_letter: DeadLetter) -> Reading:
    """Read a dead letter as the app would; of several events, what is common to them."""
    readings = [_read(body, dead_letter) for body in dead_letter.bodies]
    if len(readings) == 1:
        return readings[0]
    if not readings:
        return Reading("", "no event", readable=True, why="its blob is empty")
    vms, whats = {each.vm for each in readings}, sorted({each.what for each in readings})
    worst = next((each for each in readings if not each.readable), readings[0])
    vm = readings[0].vm if len(vms) == 1 else ""
    return Reading(vm, f"{len(readings)} events: {', '.join(whats)}", readable=worst.readable, why=worst.why)


def _read(body: str, dead_letter: DeadLetter) -> Reading:
    if dead_letter.place.comes_from is Place.WAKES:
        # Whatever it says, the app would read it, and at most look at a work queue.
        what = f"wake ({shortened(one_line(body), _WAKE_SHOWN)})"
        return Reading("", what, readable=True, why=_NO_REASON if dead_letter.is_base64 else _NOT_GIVEN)
    why = _why_dead(body) if dead_letter.is_base64 else _NOT_GIVEN
    try:
        signal = read_from(Inbox(dead_letter.place.comes_from), parse_body(body))
    except UnreadableEvent as problem:
        told = str(problem) if dead_letter.is_base64 else f"{why}; {problem}"
        return Reading("", "unreadable", readable=False, why=told)
    if isinstance(signal, NotOurs):
        return Reading("", "asks nothing of us", readable=True, why=why or signal.reason)
    not_told = _BLOB_WITHOUT_REASON if dead_letter.place is Place.DEAD else _NO_REASON
    what = f"{signal.kind} ({one_line(signal.detail)})" if signal.detail else str(signal.kind)
    return Reading(str(signal.vm_id), what, readable=True, why=why or not_told)


def why_not_requeued(dead_letter: DeadLetter, reading: Reading) -> str:
    """Say why requeuing a dead letter would have no effect; an empty text where it would have."""
    if not reading.readable:
        return f"the app cannot read it: {reading.why}"
    if any(len(body.encode("utf-8", "replace")) > LARGEST for body in dead_letter.bodies):
        return "it is larger than a message of a queue may be: it can only be dropped"
    return ""


def without_dead_letter_fields(event: Mapping[str, object]) -> dict[str, object]:
    """Give the event as it was before Event Grid gave it up."""
    added = _DEAD_LETTER_FIELDS | _DEAD_LETTER_ALSO
    return {name: value for name, value in event.items() if name.lower() not in added}


def _why_dead(body: str) -> str:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(event, dict):
        return ""
    told = {name.lower(): value for name, value in event.items()}
    reason, outcome = told.get("deadletterreason"), told.get("lastdeliveryoutcome")
    if not reason:
        return ""
    tries = told.get("deliveryattempts")
    return one_line(f"Event Grid gave it up: {reason} after {tries} tries, the last one {outcome}")
