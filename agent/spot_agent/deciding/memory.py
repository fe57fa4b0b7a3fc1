"""What the agent knows while it runs: the state on disk, and how far things that are under way are.

What is only here is gone with the process; nothing here is needed to go on after that.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from spot_agent.deciding.state import Message, Notice, State


@dataclass(frozen=True)
class Settings:
    """What of the configuration decisions rest on."""

    has_units: bool = False
    has_queue: bool = False


@dataclass(frozen=True)
class Acting:
    """How far this process is with a notice; ``since`` and ``deadline`` in monotonic seconds.

    ``under_way``: the runs of hooks and units that are not over. ``missing_since``: when a document first lacked it.
    ``acknowledge_at``: not before then (again). ``is_adopted``: an earlier run of this boot had begun it.
    ``is_begun``: this run has. ``failed``: so many of its hooks and unit commands did not end well.
    """

    since: float
    deadline: float | None
    under_way: frozenset[str] = frozenset()
    is_begun: bool = False
    is_later_decided: bool = False
    missing_since: float | None = None
    acknowledge_at: float | None = None
    is_adopted: bool = False
    failed: int = 0


@dataclass(frozen=True)
class Recovering:
    """How far this process is with the recovery. ``run`` is under way; ``failed`` is why it will not be complete.

    ``hooks_done`` ended well, and are not run again when others failed. After an interruption or a crash they are: what
    they did may be undone.
    """

    run: str = ""
    tries: int = 0
    hooks_done: tuple[str, ...] = ()
    failed: str = ""
    is_interrupted: bool = False
    retry_at: float = 0.0


@dataclass(frozen=True)
class Outgoing:
    """A message that the queue does not have yet. ``tries`` of the round that began at ``began`` (monotonic seconds).

    ``is_given_up``: a whole round failed, so nobody waits for it any more.
    """

    message: Message
    began: float
    next_at: float
    tries: int = 0
    is_under_way: bool = False
    is_given_up: bool = False


@dataclass(frozen=True)
class Memory:
    """All that ``step`` is given and gives back.

    ``has_booted_since``: this run is the first one of a boot, after a run in an earlier one. ``recovers_from``: a
    recovery waits for the first document until then (monotonic seconds). ``shown``: the ids in the last document, in
    lower case.
    """

    state: State
    settings: Settings
    booted_at: datetime | None = None
    has_booted_since: bool = False
    recovers_from: float = 0.0
    last_asked_at: float | None = None
    shown: frozenset[str] = frozenset()
    acting: Mapping[str, Acting] = field(default_factory=dict, hash=False)
    recovering: Recovering = field(default_factory=Recovering)
    outbox: Mapping[str, Outgoing] = field(default_factory=dict, hash=False)
    is_stopping: bool = False

    def with_state(self, state: State) -> Memory:
        """Put another state in place."""
        return replace(self, state=state)

    def with_notice(self, notice: Notice) -> Memory:
        """Put a notice in its place."""
        return replace(self, state=self.state.with_notice(notice))

    def with_acting(self, event_id: str, acting: Acting | None) -> Memory:
        """Say how far a notice is; ``None``: nothing of it is under way."""
        others = {key: value for key, value in self.acting.items() if key != event_id}
        return replace(self, acting=others if acting is None else {**others, event_id: acting})
