"""The agent: hears, decides (``deciding/step.py``), keeps the state, and has its edges do what was decided.

``run.py`` gives it the real edges, ``virtual_vm`` those in virtual time. One thread calls ``hear``; edges that take
their time do it elsewhere, and say what became of it by what the agent hears later.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from spot_agent.deciding import actions, step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from spot_agent.deciding.heard import Heard
    from spot_agent.deciding.memory import Memory
    from spot_agent.deciding.state import Message, State
    from spot_agent.deciding.times import Now


class Disk(Protocol):
    """Keeps what must outlive us. A disk that is full or broken says so and raises nothing: acting goes on."""

    def save(self, state: State) -> bool:
        """Put the state on disk; whether that went well."""

    def record(self, line: actions.Record) -> None:
        """Add a line to the history."""

    def end(self) -> None:
        """Write down that this run ended in order."""


class Hooks(Protocol):
    """Runs hooks; each ending is heard as ``HookEnded``, that of the last one also as ``HooksOver``."""

    def run(self, action: actions.RunHooks) -> None:
        """Begin them all."""

    def stop(self, run: str) -> None:
        """Ask those of a run to end."""


class Units(Protocol):
    """Stops and starts the units that the configuration names; heard as ``UnitsDone``."""

    def stop(self, run: str) -> None:
        """Stop them."""

    def start(self, run: str) -> None:
        """Start them."""


class Azure(Protocol):
    """What is told to Azure; heard as ``Acknowledged`` and ``Sent``."""

    def acknowledge(self, event_id: str) -> None:
        """Tell the metadata service that an event may start."""

    def send(self, message: Message) -> None:
        """Put a message on the queue."""


class Front(Protocol):
    """What others see of us at once."""

    def is_ready(self, ready: bool) -> None:  # noqa: FBT001 - the one thing that it says
        """Let ``/health`` answer 200, or 503."""

    def flush(self) -> None:
        """Put everything that was written on the disk (``sync``), without waiting for it."""


class Clock(Protocol):
    """The time."""

    def now(self) -> Now:
        """Read both clocks."""


@dataclass(frozen=True)
class Edges:
    """All of them."""

    clock: Clock
    front: Front
    disk: Disk
    hooks: Hooks
    units: Units
    azure: Azure


class Agent:
    """Ties decisions to edges. ``has_ended``: nothing more is to be heard."""

    def __init__(self, memory: Memory, edges: Edges, say: Callable[[str], None]) -> None:
        """Begin with what a run knows (``step.begin``); ``say`` is told of mistakes of ours."""
        self.memory, self._say = memory, say
        self.has_ended = False
        self._clock, self._front, self._disk = edges.clock, edges.front, edges.disk
        hooks, units, azure, disk = edges.hooks, edges.units, edges.azure, edges.disk
        self._is_saved = False
        self._does: Final[Mapping[type, Callable[[Any], None]]] = {
            actions.RunHooks: hooks.run,
            actions.StopHooks: lambda action: hooks.stop(action.run),
            actions.StopUnits: lambda action: units.stop(action.run),
            actions.StartUnits: lambda action: units.start(action.run),
            actions.Acknowledge: lambda action: azure.acknowledge(action.event_id),
            actions.Send: lambda action: azure.send(action.message),
            actions.Flush: lambda _action: edges.front.flush(),
            actions.Record: disk.record,
            actions.End: lambda _action: self._end(),
        }

    def hear(self, heard: Heard) -> None:
        """Decide what follows, and have it done: health first, then the state on disk, then the rest.

        An edge that fails in a way that nobody thought of keeps nothing else from being done.
        """
        before = self.memory.state
        self.memory, decided = step.step(self.memory, heard, self._clock.now())
        self._try("is_ready", lambda: self._front.is_ready(step.is_ready(self.memory)))
        if self.memory.state != before or not self._is_saved:
            self._is_saved = False
            self._try("save", self._save)
        # A line of the history costs a wait for the disk: what is done goes before what is written down.
        for action in sorted(decided, key=_after_others):
            self._try(type(action).__name__, partial(self._does[type(action)], action))

    def next_at(self) -> float | None:
        """Say when to let it hear ``TimePassed`` if nothing else is heard (monotonic seconds)."""
        return step.next_at(self.memory, self._clock.now().monotonic)

    def _try(self, name: str, deed: Callable[[], None]) -> None:
        try:
            deed()
        except Exception as error:  # noqa: BLE001 - whatever it is, the other edges are to do what was decided
            self._say(f"a mistake in the agent, {name} is passed over: {error!r}")

    def _save(self) -> None:
        self._is_saved = self._disk.save(self.memory.state)

    def _end(self) -> None:
        if self.has_ended:
            return
        self.has_ended = True
        self._disk.end()


def _after_others(action: actions.Action) -> int:
    return {actions.Record: 1, actions.End: 2}.get(type(action), 0)
