"""What a recovery costs in calls: a change that makes it cost 30 % more fails here. Seconds are nobody's business.

The figures are counted in virtual time, where nothing depends on the machine; ``docs/performance.md`` shows them. One
that is lower now is to be written down as the new one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import pytest

from bench.scenarios import AT_ONCE, SECOND, WHILE_DEALLOCATING, Scenario
from bench.stage import Played, play_responder

WORSE: Final = 1.3

STORM: Final = Scenario("a storm of 200", 200, evicted_within=10 * SECOND, patience=timedelta(minutes=15))
SINGLE: Final = Scenario("one VM", 20, evicted_within=20 * timedelta(minutes=7), patience=timedelta(hours=3))
DEALLOCATING: Final = Scenario(
    "one VM, told while deallocating",
    20,
    evicted_within=20 * timedelta(minutes=7),
    patience=timedelta(hours=3),
    durations=WHILE_DEALLOCATING,
)


USUAL: Final = [
    (
        SINGLE,
        {
            # Each of ten sweeps asks twice: which VMs are down, and which max prices there are.
            "graph": 1.95,
            "outcome": 2.0,
            "queue_put": 3.1,
            "row_read": 11.1,
            "row_write": 9.1,
            "vm_read": 3.1,
            "vm_start": 1.0,
        },
    ),
    (
        DEALLOCATING,
        {
            "graph": 2.95,
            "outcome": 2.0,
            "queue_put": 4.0,
            "row_read": 11.9,
            "row_write": 10.0,
            "vm_read": 4.0,
            "vm_start": 1.0,
        },
    ),
    (
        STORM,
        {
            "graph": 0.1,
            "outcome": 2.0,
            "queue_put": 3.59,
            "row_read": 7.67,
            "row_write": 7.88,
            "vm_read": 3.12,
            "vm_start": 1.0,
        },
    ),
]
"""Requests for each VM, from its eviction until its recovery is closed."""


def calls_per_vm(played: Played, vms: int) -> dict[str, float]:
    """Give the requests for each VM, by what they are for."""
    return {request_kind: round(count / vms, 2) for request_kind, count in played.requests.items()}


@pytest.mark.parametrize(("scenario", "usual"), USUAL, ids=lambda value: getattr(value, "title", ""))
def test_a_recovery_costs_no_more_calls_than_it_did(scenario: Scenario, usual: dict[str, float]) -> None:
    """Queries, reads, starts, rows and messages, each on its own."""
    played = play_responder(scenario)
    now = calls_per_vm(played, scenario.vms)
    assert played.never_back == 0
    assert not played.throttled
    worse = {
        request_kind: (count, usual.get(request_kind))
        for request_kind, count in now.items()
        if count > usual.get(request_kind, 0) * WORSE
    }
    assert not worse, f"calls for each VM, now and as they were: {worse}"


def test_the_clock_of_every_figure_starts_when_the_event_leaves() -> None:
    """Or when the VM is deallocated, where that is later: nobody could have started it before."""
    played = play_responder(SINGLE)
    assert len(played.waits_s) == SINGLE.vms
    assert all(0 < wait < 5 for wait in played.waits_s)
    assert AT_ONCE.deallocation < SECOND
