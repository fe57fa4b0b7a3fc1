"""The parts of the VM that the agent reaches: disk, hooks, units, queue, metadata service, each in virtual time.

Each call of the agent may be its last: ``dies_in`` counts them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from spot_agent.agent import Edges
from spot_agent.deciding.heard import OK, Acknowledged, HookEnded, HooksOver, Sent, UnitsDone
from spot_agent.deciding.state import write_state

if TYPE_CHECKING:
    from datetime import datetime

    from spot_agent.deciding import actions
    from spot_agent.deciding.heard import Heard
    from spot_agent.deciding.state import Message, State
    from virtual_vm.virtual_time import VirtualTime

OBEYS_IN_S: Final = 0.1
KILLED_IN_S: Final = 5.0


class KilledError(BaseException):
    """The process is gone: no code of it runs any more."""


@dataclass(frozen=True)
class Deed:
    """Something that the agent did, or that happened to it. ``at`` in seconds since the beginning."""

    at: float
    kind: str
    what: str = ""
    more: Any = None


@dataclass(frozen=True)
class VirtualHook:
    """A hook: how long it takes, how it ends, and whether it obeys SIGTERM."""

    name: str
    seconds: float = 0.5
    outcome: str = OK
    obeys: bool = True
    is_essential: bool = True
    limit_s: float | None = None


@dataclass
class VirtualDisk:
    """What outlives the process. While it is full, nothing is written, and what is there stays."""

    state: str | None = None
    is_clean: bool = False
    history: list[actions.Record] = field(default_factory=list)
    alive_at: datetime | None = None
    is_full: bool = False


class Surroundings(Protocol):
    """What the parts need of the VM that they are in: ``vm.py`` is it."""

    time: VirtualTime
    disk: VirtualDisk
    hooks: dict[str, list[VirtualHook]]
    is_queue_out: bool
    units_outcome: str
    acknowledge_outcome: str
    dies_in: int | None

    def note(self, kind: str, what: str = "", more: Any = None) -> None:  # noqa: ANN401 - whatever a deed has
        """Write down what was done."""

    def say(self, run: int, heard: Heard) -> None:
        """Let the agent's process hear something, if it is still that one."""

    def later(self, run: int, seconds: float, heard: Heard) -> None:
        """Let it hear something after so many seconds."""

    def is_alive(self, run: int) -> bool:
        """Whether that process still runs."""


class _Edge:
    """Where one process touches the VM."""

    def __init__(self, vm: Surroundings, run: int) -> None:
        self._vm, self._run = vm, run

    def _touch(self) -> None:
        if self._vm.dies_in is not None:
            self._vm.dies_in -= 1
            if self._vm.dies_in <= 0:
                raise KilledError


class _Front(_Edge):
    def is_ready(self, ready: bool) -> None:  # noqa: FBT001 - as in the real one
        del ready
        self._touch()

    def flush(self) -> None:
        self._touch()
        self._vm.note("flush")


class _Disk(_Edge):
    def save(self, state: State) -> bool:
        self._touch()
        if not self._vm.disk.is_full:
            self._vm.disk.state = write_state(state)
        return not self._vm.disk.is_full

    def record(self, line: actions.Record) -> None:
        self._touch()
        if not self._vm.disk.is_full:
            self._vm.disk.history.append(line)

    def end(self) -> None:
        self._touch()
        self._vm.disk.is_clean = not self._vm.disk.is_full


class _Hooks(_Edge):
    def __init__(self, vm: Surroundings, run: int) -> None:
        super().__init__(vm, run)
        self._left: dict[str, dict[str, VirtualHook]] = {}

    def run(self, action: actions.RunHooks) -> None:
        self._touch()
        hooks = [
            hook
            for hook in self._vm.hooks.get(action.folder, [])
            if hook.name not in action.skip and action.essential in {None, hook.is_essential}
        ]
        self._left[action.run] = {hook.name: hook for hook in hooks}
        for hook in hooks:
            limit = min(action.default_s if hook.limit_s is None else hook.limit_s, action.cap_s)
            self._vm.note("hook", f"{action.folder}/{hook.name}", dict(action.variables))
            if hook.seconds <= limit:
                self._end(action, hook, hook.seconds, hook.outcome)
            else:
                self._end(action, hook, limit + (OBEYS_IN_S if hook.obeys else KILLED_IN_S), "was too slow")
        if not hooks:
            self._vm.later(self._run, 0.0, HooksOver(action.run))

    def stop(self, run: str) -> None:
        self._touch()
        for name, hook in self._left.get(run, {}).items():
            self._end_named(run, name, OBEYS_IN_S if hook.obeys else KILLED_IN_S, "was asked to end")

    def _end(self, action: actions.RunHooks, hook: VirtualHook, seconds: float, outcome: str) -> None:
        def note() -> None:
            if self._vm.is_alive(self._run) and hook.name in self._left[action.run]:
                self._vm.note("hook ended", f"{action.folder}/{hook.name}", (outcome, dict(action.variables)))

        self._vm.time.after(seconds, note)
        self._end_named(action.run, hook.name, seconds, outcome)

    def _end_named(self, run: str, name: str, seconds: float, outcome: str) -> None:
        def end() -> None:
            if name not in self._left[run]:
                return
            del self._left[run][name]
            self._vm.say(self._run, HookEnded(run, name, outcome, seconds))
            if not self._left[run]:
                self._vm.say(self._run, HooksOver(run))

        self._vm.time.after(seconds, end)


class _Units(_Edge):
    def stop(self, run: str) -> None:
        self._touch()
        self._vm.note("units", "stop")
        self._vm.later(self._run, 0.3, UnitsDone(run, self._vm.units_outcome))

    def start(self, run: str) -> None:
        self._touch()
        self._vm.note("units", "start")
        self._vm.later(self._run, 0.3, UnitsDone(run, self._vm.units_outcome))


class _Azure(_Edge):
    def acknowledge(self, event_id: str) -> None:
        self._touch()
        self._vm.note("acknowledge", event_id)
        self._vm.later(self._run, 0.05, Acknowledged(event_id, self._vm.acknowledge_outcome))

    def send(self, message: Message) -> None:
        self._touch()
        self._vm.note("try", message.id)
        if self._vm.is_queue_out:
            self._vm.later(self._run, 1.0, Sent(message.id, "the queue is out"))
            return
        self._vm.note("told", message.id, message.event)
        self._vm.later(self._run, 0.1, Sent(message.id, OK))


def edges_of(vm: Surroundings, run: int) -> Edges:
    """Give a process of the agent its edges."""
    return Edges(vm.time, _Front(vm, run), _Disk(vm, run), _Hooks(vm, run), _Units(vm, run), _Azure(vm, run))
