"""What the agent does. ``step.py`` decides it, ``agent.py`` has it done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from spot_agent.deciding.state import Message


@dataclass(frozen=True)
class RunHooks:
    """Run the hooks in ``folder``, in parallel; ``run`` names this run in what is heard of it.

    ``essential``: only those that are, only those that are not, or (``None``) all. ``cap_s``: the longest limit that a
    hook may have, before SIGTERM; ``default_s``: the limit of a hook for which none is configured. ``skip``: those that
    ended well before.
    """

    run: str
    folder: str
    essential: bool | None
    default_s: float
    cap_s: float
    variables: Mapping[str, str] = field(hash=False)
    details: Mapping[str, Any] = field(hash=False)
    skip: tuple[str, ...] = ()


@dataclass(frozen=True)
class StopHooks:
    """Ask the hooks of a run to end (SIGTERM), and kill them if they do not."""

    run: str


@dataclass(frozen=True)
class StopUnits:
    """Stop the units that the configuration names."""

    run: str


@dataclass(frozen=True)
class StartUnits:
    """Start the units that the configuration names."""

    run: str


@dataclass(frozen=True)
class Acknowledge:
    """Tell Azure that an event may start."""

    event_id: str


@dataclass(frozen=True)
class Send:
    """Put a message on the queue."""

    message: Message


@dataclass(frozen=True)
class Flush:
    """Have everything that was written put on the disk (``sync``)."""


@dataclass(frozen=True)
class Record:
    """One line of what happened to this VM."""

    at: datetime
    event_id: str
    event_type: str
    status: str
    phase: str
    outcome: str


@dataclass(frozen=True)
class End:
    """Nothing is under way: the agent may end."""


Action = Union[RunHooks, StopHooks, StopUnits, StartUnits, Acknowledge, Send, Flush, Record, End]
