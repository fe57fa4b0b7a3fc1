"""The part ``work`` of the bench: all its figures, and the targets that they are held against."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from bench.report import Target, at_most
from bench.work.peers import keda, seed, timer
from bench.work.scenarios import ALL, BOOT_S, SINGLES
from bench.work.stage import play_peer, play_responder

if TYPE_CHECKING:
    from bench.work.scenarios import Scenario
    from bench.work.stage import Played

_LATER_S: Final = 5.0
"""How much later than a VM's boot a job may be claimed that found no VM up."""


def figures() -> tuple[dict[str, Any], list[Target]]:
    """Let everybody play every scenario."""
    played = {scenario.title: _contest(scenario) for scenario in ALL}
    rows = [asdict(one) | {"vm_time": one.vm_time} for contest in played.values() for one in contest]
    ours = [contest[0] for contest in played.values()]
    singles = played[SINGLES.title][0]
    return {"virtual": rows, "boot_s": BOOT_S}, [
        at_most(
            "work: arrival to claim of a job that finds all VMs down, p50", singles.wait_p50_s, BOOT_S + _LATER_S, " s"
        ),
        at_most("work: the same, p99", singles.wait_p99_s, BOOT_S + _LATER_S, " s"),
        at_most("work: VMs started, for each that the work needs", max(map(_started, ours)), 1.2, " x"),
        at_most("work: VM time, against the least that the work needs", max(one.vm_time for one in ours), 1.15, " x"),
        at_most("work: busy VMs stopped", sum(one.busy_stopped for one in ours), 0),
        at_most("work: jobs lost", sum(one.lost for one in ours), 0),
    ]


def _contest(scenario: Scenario) -> list[Played]:
    return [
        play_responder(scenario),
        play_peer("KEDA's rule", keda(scenario.messages_per_vm), scenario),
        play_peer("timer", timer, scenario),
        play_peer("seed", seed, scenario),
    ]


def _started(played: Played) -> float:
    return round(played.vms_started / played.vms_needed, 3)
