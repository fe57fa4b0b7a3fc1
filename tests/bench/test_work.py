"""The contest about work: every contender does the work, and what came of it is counted as it was."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bench.work.peers import keda, seed, timer
from bench.work.scenarios import BOOT_S, Arrival, Scenario
from bench.work.stage import play_peer, play_responder

FEW: Final = Scenario("three jobs", 4, (Arrival(timedelta(), 60.0),) * 3, 1, 3)


def test_the_responder_wastes_little_and_loses_nothing() -> None:
    """Three jobs, three VMs, each claimed within five seconds of a boot."""
    played = play_responder(FEW)
    assert (played.lost, played.busy_stopped, played.vms_started) == (0, 0, 3)
    assert played.wait_p99_s is not None
    assert played.wait_p99_s <= BOOT_S + 5
    assert 1.0 <= played.vm_time <= 1.15


def test_every_contender_does_all_jobs_where_nothing_is_evicted() -> None:
    """One that cannot even do that would be counted as one that loses jobs."""
    for peer in (keda(1), timer, seed):
        played = play_peer("peer", peer, FEW)
        assert played.lost == 0
        assert played.vms_started >= 3


def test_a_rule_that_looks_at_what_is_visible_stops_who_works() -> None:
    """keda#1615, bk#58: a job of an hour is in nobody's sight once it is claimed."""
    long = Scenario("an hour", 1, (Arrival(timedelta(), 3600.0),), 1, 1)
    assert play_peer("KEDA's rule", keda(1), long).busy_stopped > 0
    assert play_responder(long).busy_stopped == 0
