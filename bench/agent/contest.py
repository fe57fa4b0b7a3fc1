"""Plays the incidents to the agent and to its peers, and counts what was saved and what was done in vain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from virtual_vm.parts import VirtualHook
from virtual_vm.vm import VirtualVm

from bench.agent.incidents import EVICTIONS, NOTICES_S, OTHERS, Kind, draw
from bench.agent.peers import EACH_FIVE_SECONDS, FIRST_EVENT, PeerVm
from bench.stage import percentile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from virtual_vm.parts import Deed
    from virtual_vm.virtual_time import VirtualTime

    from bench.agent.incidents import Incident

ESSENTIAL_S: Final = 2.0
REST_S: Final = 6.0
_ONE_HOOK: Final = VirtualHook("save", ESSENTIAL_S + REST_S)
"""Saves what is essential first, then the rest. The same for everybody."""

_TWO_HOOKS: Final = (VirtualHook("save", ESSENTIAL_S), VirtualHook("rest", REST_S, is_essential=False))

LOOKED_AT_AFTER_S: Final = 60.0
"""So long after the events have gone it counts whether the VM takes work."""


class Vm(Protocol):
    """A VM in virtual time, whoever is its agent."""

    time: VirtualTime
    deeds: list[Deed]
    events: list[dict[str, Any]]

    @property
    def hooks(self) -> Mapping[str, Sequence[VirtualHook]]:
        """Give the hooks by the name of their folder."""

    def begin(self) -> None:
        """Start the agent."""

    def kill(self) -> None:
        """Let the VM go down."""

    def wait(self, seconds: float) -> None:
        """Let time pass."""

    def takes_work(self) -> bool:
        """Whether the VM takes work."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one incident. ``first_hook_s`` counts from when the event was shown; ``None``: no hook ran."""

    first_hook_s: float | None
    is_essential_saved: bool
    is_all_saved: bool
    takes_work: bool


def _agent_vm(hooks: Sequence[VirtualHook]) -> VirtualVm:
    vm = VirtualVm()
    vm.hooks["preempt"] = list(hooks)
    return vm


CONTENDERS: Final[Mapping[str, Callable[[], Vm]]] = {
    "agent": lambda: _agent_vm([_ONE_HOOK]),
    "agent, the rest in a hook that is not essential": lambda: _agent_vm(_TWO_HOOKS),
    "plain agent, polls each 5 s": lambda: PeerVm(EACH_FIVE_SECONDS, _ONE_HOOK),
    "acts on the first event it sees": lambda: PeerVm(FIRST_EVENT, _ONE_HOOK),
}


def play(vm: Vm, incident: Incident) -> Outcome:
    """Let it befall a VM."""
    vm.begin()
    vm.wait(incident.shown_at_s)
    shown_at, vm.events = vm.time.seconds, incident.events(vm.time)
    vm.wait(incident.shown_for_s)
    gone_at = vm.time.seconds
    if incident.is_end_of_vm:
        vm.kill()
    vm.events = []
    vm.wait(LOOKED_AT_AFTER_S)
    began = [deed.at for deed in vm.deeds if deed.kind == "hook"]
    ended_well = [deed for deed in vm.deeds if deed.kind == "hook ended" and deed.more[0] == "ok"]
    return Outcome(
        first_hook_s=began[0] - shown_at if began else None,
        is_essential_saved=bool(began) and began[0] + ESSENTIAL_S <= gone_at,
        is_all_saved=len(ended_well) == len(vm.hooks["preempt"]),
        takes_work=vm.takes_work(),
    )


def row(contender: str) -> dict[str, Any]:
    """Play everything to a contender, and write it for ``bench.json``."""
    make = CONTENDERS[contender]

    def outcomes(kind: Kind, notice_s: float, count: int) -> Sequence[Outcome]:
        return [play(make(), incident) for incident in draw(kind, notice_s, count)]

    evictions = {notice_s: outcomes(Kind.EVICTED, notice_s, EVICTIONS) for notice_s in NOTICES_S}
    longest = NOTICES_S[-1]
    first_hooks = [one.first_hook_s for one in evictions[longest] if one.first_hook_s is not None]
    siblings = outcomes(Kind.SIBLING_EVICTED, longest, OTHERS)
    cancelled = outcomes(Kind.CANCELLED, longest, OTHERS)
    return {
        "contender": contender,
        "first_hook_p50_s": percentile(first_hooks, 50),
        "first_hook_p99_s": percentile(first_hooks, 99),
        "evictions": {
            f"{notice_s:g} s": {
                "shown": len(played),
                "essential_saved": sum(one.is_essential_saved for one in played),
                "all_saved": sum(one.is_all_saved for one in played),
            }
            for notice_s, played in evictions.items()
        },
        "siblings": {"shown": OTHERS, "acted_upon": sum(one.first_hook_s is not None for one in siblings)},
        "cancelled": {
            "shown": OTHERS,
            "acted_upon": sum(one.first_hook_s is not None for one in cancelled),
            "still_out_of_work": sum(not one.takes_work for one in cancelled),
        },
    }
