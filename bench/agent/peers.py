"""Two plain agents, in the way of public ones (docs/azure-facts.md peers-2), in virtual time.

Both run one hook once for each event, and undo nothing: a VM that they took out of work stays out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from virtual_vm.parts import Deed
from virtual_vm.virtual_time import VirtualTime
from virtual_vm.vm import ANSWERS_IN_S, MACHINE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from virtual_vm.parts import VirtualHook

    type Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Peer:
    """``pause_s``: from an answer to the next request. ``choose``: which event of a document it acts upon."""

    pause_s: float
    choose: Callable[[Sequence[Event]], Event | None]


class PeerVm:
    """A VM with a plain agent in it."""

    def __init__(self, peer: Peer, hook: VirtualHook) -> None:
        """Make a VM in which the agent does not run yet."""
        self.time = VirtualTime()
        self.deeds: list[Deed] = []
        self.events: list[Event] = []
        self.hooks = {"preempt": [hook]}
        self._peer = peer
        self._acted_upon: set[str] = set()
        self._is_up = True

    def begin(self) -> None:
        """Start the agent."""
        self._poll()

    def kill(self) -> None:
        """Let the VM go down."""
        self._is_up = False

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.time.pass_until(self.time.seconds + seconds)

    def takes_work(self) -> bool:
        """Whether the agent has not taken the VM out of work."""
        return self._is_up and not self._acted_upon

    def _poll(self) -> None:
        shown = self.events
        self.time.after(ANSWERS_IN_S, lambda: self._read(shown))

    def _read(self, shown: Sequence[Event]) -> None:
        if not self._is_up:
            return
        chosen = self._peer.choose(shown)
        if chosen and chosen["EventId"] not in self._acted_upon:
            self._acted_upon.add(chosen["EventId"])
            for hook in self.hooks["preempt"]:
                self._run(hook)
        self.time.after(self._peer.pause_s, self._poll)

    def _run(self, hook: VirtualHook) -> None:
        what = f"preempt/{hook.name}"
        self.deeds.append(Deed(self.time.seconds, "hook", what))

        def end() -> None:
            if self._is_up:
                self.deeds.append(Deed(self.time.seconds, "hook ended", what, (hook.outcome, {})))

        self.time.after(hook.seconds, end)


def _first_that_names_us(events: Sequence[Event]) -> Event | None:
    return next((one for one in events if MACHINE.name in one["Resources"]), None)


def _first(events: Sequence[Event]) -> Event | None:
    return events[0] if events else None


EACH_FIVE_SECONDS: Final = Peer(5.0, _first_that_names_us)
"""As a loop with ``requests`` and ``sleep(5)`` does."""

FIRST_EVENT: Final = Peer(1.0, _first)
"""As often as the agent; whatever stands first in the document is taken to be about this VM."""
