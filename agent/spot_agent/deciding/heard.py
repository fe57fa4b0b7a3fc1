"""What reaches the agent from its edges. ``step.py`` says what follows from each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from spot_agent.deciding.documents import Document
    from spot_agent.deciding.state import Machine


@dataclass(frozen=True)
class DocumentRead:
    """The metadata service answered a poll that was sent at ``asked_at`` (monotonic seconds)."""

    document: Document
    asked_at: float


@dataclass(frozen=True)
class MachineRead:
    """The metadata service said who we are."""

    machine: Machine


@dataclass(frozen=True)
class HookEnded:
    """One hook of a run ended. ``outcome`` is ``ok`` or says what went wrong."""

    run: str
    hook: str
    outcome: str
    seconds: float


@dataclass(frozen=True)
class HooksOver:
    """Every hook of a run has ended; with none, at once."""

    run: str


@dataclass(frozen=True)
class UnitsDone:
    """The units that the configuration names were stopped or started, or could not be."""

    run: str
    outcome: str


@dataclass(frozen=True)
class Acknowledged:
    """Azure was told that an event may start, or could not be told."""

    event_id: str
    outcome: str


@dataclass(frozen=True)
class Sent:
    """The queue has a message, or does not take it."""

    message_id: str
    outcome: str


@dataclass(frozen=True)
class StopAsked:
    """SIGTERM: end after the phases that are under way."""


@dataclass(frozen=True)
class TimePassed:
    """Nothing was heard, but something is due."""


Heard = Union[DocumentRead, MachineRead, HookEnded, HooksOver, UnitsDone, Acknowledged, Sent, StopAsked, TimePassed]

OK = "ok"
"""The outcome of what went well; any other one says what went wrong."""
