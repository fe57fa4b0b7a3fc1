"""One story: a VM in virtual time, some minutes in which anything may happen to it, then calm.

Drawn from a seed, so that it can be repeated. ``promises.py`` watches it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from virtual_vm.event import event, started
from virtual_vm.parts import VirtualHook
from virtual_vm.vm import MACHINE, VirtualVm

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random


CALM_S: Final = 900.0
_SETTLED_S: Final = 5.0
"""Before anything happens, so that the disk has a state."""
_STEPS: Final = range(6, 22)
_TYPES: Final = ("Preempt", "Preempt", "Preempt", "Preempt", "Reboot", "Redeploy", "Terminate", "Freeze", "Hibernate")
_SIBLINGS: Final = ("render-2", "render-10", "render")


@dataclass(frozen=True)
class Shown:
    """An event that the metadata service shows. ``is_ours``: it names our VM; ``is_ahead``: it never started."""

    event_id: str
    kind: str
    is_ours: bool
    is_shared: bool
    is_ahead: bool


class Watcher(Protocol):
    """Who is told what happens in a story: ``promises.py`` has the one that judges it."""

    def shows(self, shown: Shown) -> None:
        """Note that an event is shown from now on."""

    def starts(self, shown: Shown) -> None:
        """Note that an event has started."""

    def hides(self, event_id: str) -> None:
        """Note that an event is shown no longer."""

    def answers(self, in_s: float) -> None:
        """Note that the service shows the agent what there is."""

    def interrupts(self) -> None:
        """Note that what is shown could not be seen without a break."""

    def begins(self, *, is_new_boot: bool) -> None:
        """Note that a run begins."""

    def looks(self) -> None:
        """Look at what was done since."""

    def judge_the_end(self) -> None:
        """Look at what should be so once all is calm."""


class Story:
    """Plays what happens to the VM, and says it to the watcher."""

    def __init__(self, chance: Random, watcher_of: Callable[[Story], Watcher]) -> None:
        """Draw the VM and its surroundings."""
        self.chance = chance
        self.vm = VirtualVm(has_queue=chance.random() < 0.9, has_units=chance.random() < 0.5)  # noqa: PLR2004
        self.vm.time.clock_error_s = chance.choice((0.0, 0.0, 0.0, -240.0, 240.0, 20.0))
        self.vm.hooks = _hooks(chance)
        self.vm.machine = None if chance.randrange(8) == 0 else MACHINE
        self.vm.poll = self._poll
        self.shown: dict[str, Shown] = {}
        self.faults = 0
        self.fault = ""
        self.was_full = False
        self._count = 0
        self._watcher = watcher_of(self)

    def play(self) -> None:
        """Let it all happen, then be calm."""
        vm = self.vm
        self.begin()
        vm.wait(_SETTLED_S)
        for _ in range(self.chance.choice(_STEPS)):
            self.chance.choice(_HAPPENINGS)(self)
            self._wait(self.chance.choice((0.05, 0.4, 1.0, 1.6, 3.0, 6.0, 15.0, 40.0)))
        self._calm()

    def begin(self) -> None:
        """Let the agent begin, in the same boot."""
        self._watcher.begins(is_new_boot=False)
        self.vm.begin()

    def _calm(self) -> None:
        """End all trouble: the VM is up, the agent runs, nothing is shown, and long enough passes."""
        self._heal()
        self.vm.machine = MACHINE
        self._revive()
        for event_id in list(self.shown):
            self._hide(event_id)
        self.vm.dies_in = None
        self._wait(10.0)
        self.vm.poll_every_s = 10.0
        self._wait(CALM_S)
        self._revive()
        self._wait(CALM_S)
        self._watcher.judge_the_end()

    def _wait(self, seconds: float) -> None:
        """Let time pass in small steps, so that the watcher sees each."""
        left = seconds
        while left > 0:
            step = min(left, 0.5 if self.vm.poll_every_s <= 1.0 else 30.0)
            self.vm.wait(step)
            left -= step
            self._watcher.looks()

    def _poll(self) -> bytes | None:
        match self.fault:
            case "":
                self._watcher.answers(self.vm.answers_in_s)
                return self.vm.document()
            case "rubbish":
                return b'{"Events": {'
            case "one unreadable":
                self._watcher.answers(self.vm.answers_in_s)
                return self.vm.document().replace(b'"Events": [', b'"Events": [7, ').replace(b"[7, ]", b"[7]")
            case _:
                return None

    def _show(self) -> None:
        """Let Azure announce something."""
        self._count += 1
        kind = self.chance.choice(_TYPES)
        name = self.chance.choice((MACHINE.name, MACHINE.name.upper()))
        others = tuple(self.chance.sample(_SIBLINGS, self.chance.randrange(1, 3)))
        match self.chance.randrange(5):
            case 0:
                resources: tuple[str, ...] = others
            case 1:
                resources = (*others, name)
            case _:
                resources = (name,)
        is_ahead = self.chance.randrange(6) > 0
        shown = Shown(f"event-{self._count}", kind, name in resources, len(resources) > 1, is_ahead)
        notice_s = (
            self.chance.choice((1.5, 3.0, 10.0, 30.0)) if kind == "Preempt" else self.chance.choice((60.0, 900.0))
        )
        written = event(
            self.vm.time,
            kind,
            event_id=shown.event_id,
            notice_s=notice_s,
            resources=resources,
            duration_s=self.chance.choice((-1, 5, 30)),
        )
        if not is_ahead:
            written = started(written)
        self.shown[shown.event_id] = shown
        self.vm.events = [*self.vm.events, written]
        self._watcher.shows(shown)

    def _start(self) -> None:
        """Let something that was announced begin."""
        if self.vm.events:
            begun = self.chance.randrange(len(self.vm.events))
            self.vm.events = [started(one) if at == begun else one for at, one in enumerate(self.vm.events)]
            event_id = self.vm.events[begun]["EventId"]
            self.shown[event_id] = replace(self.shown[event_id], is_ahead=False)
            self._watcher.starts(self.shown[event_id])

    def _hide_one(self) -> None:
        """Let something be over, or cancelled."""
        if self.shown:
            self._hide(self.chance.choice(sorted(self.shown)))

    def _hide(self, event_id: str) -> None:
        self._watcher.hides(event_id)
        del self.shown[event_id]
        self.vm.events = [one for one in self.vm.events if one["EventId"] != event_id]

    def _break(self) -> None:
        """Let the metadata service, the queue or the disk fail for a while."""
        self.faults += 1
        match self.chance.randrange(4):
            case 0:
                self.vm.is_queue_out = True
            case 1:
                self.vm.disk.is_full = self.was_full = True
            case 2:
                self.vm.answers_in_s = self.chance.choice((0.2, 0.4))
            case _:
                self.fault = self.chance.choice(("silent", "rubbish", "one unreadable"))
                self._watcher.interrupts()

    def _heal(self) -> None:
        """Let everything work again."""
        if self.fault:
            self._watcher.interrupts()
        self.fault = ""
        self.vm.is_queue_out = self.vm.disk.is_full = False
        self.vm.answers_in_s = 0.02
        self.vm.hooks["recover"] = [replace(hook, outcome="ok") for hook in self.vm.hooks["recover"]]

    def _kill(self) -> None:
        """Kill the agent, now or amid what it does next."""
        self.faults += 1
        if self.chance.randrange(3) == 0:
            self.vm.kill()
        else:
            self.vm.dies_in = self.chance.randrange(1, 14)

    def _go_down(self) -> None:
        """Let the VM go down without a word, and come back."""
        self.faults += 1
        self.vm.kill()
        self.vm.wait(self.chance.choice((0.5, 20.0)))
        for event_id in [one for one in self.shown if self.chance.randrange(2)]:
            self._hide(event_id)
        self._boot()

    def _revive(self) -> None:
        """Let the agent run again, if it does not."""
        if self.vm.agent is None:
            if self.chance.randrange(2):
                self._boot()
            else:
                self.begin()

    def _boot(self) -> None:
        self._watcher.begins(is_new_boot=True)
        self.vm.reboot()

    def _terminate(self) -> None:
        """End the agent in order."""
        if self.vm.agent is not None:
            self._watcher.interrupts()
            self.vm.terminate()


_HAPPENINGS: Final[tuple[Callable[[Story], None], ...]] = (
    Story._show,  # noqa: SLF001 - its own methods
    Story._show,  # noqa: SLF001
    Story._show,  # noqa: SLF001
    Story._start,  # noqa: SLF001
    Story._hide_one,  # noqa: SLF001
    Story._break,  # noqa: SLF001
    Story._heal,  # noqa: SLF001
    Story._heal,  # noqa: SLF001
    Story._kill,  # noqa: SLF001
    Story._revive,  # noqa: SLF001
    Story._revive,  # noqa: SLF001
    Story._go_down,  # noqa: SLF001
    Story._terminate,  # noqa: SLF001
)


def _hooks(chance: Random) -> dict[str, list[VirtualHook]]:
    """Draw hooks. ``save`` always obeys: what it does in time is promised."""
    wild: list[Any] = [
        VirtualHook("fails", 0.3, "exit code 1"),
        VirtualHook("hangs", 1000.0, obeys=False),
        VirtualHook("slow", 12.0),
        VirtualHook("logs", 4.0, is_essential=False),
    ]
    save = VirtualHook("save", chance.choice((0.2, 2.0, 4.0)))
    folders = ("preempt", "reboot", "redeploy", "terminate", "freeze")
    hooks = {folder: [save, *chance.sample(wild, chance.randrange(3))] for folder in folders}
    outcome = chance.choice(("ok", "ok", "exit code 1"))
    load = VirtualHook("load", chance.choice((0.2, 3.0, 9.0)), outcome)
    return {**hooks, "cancelled": [VirtualHook("go-on", chance.choice((0.2, 5.0)))], "recover": [load]}
