"""Every contender of the agents' contest is played: one that ends in an error would be counted as one that fails."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from virtual_vm.servers import AzureStandIn

from bench.agent.contest import CONTENDERS, play
from bench.agent.incidents import Incident, Kind
from bench.agent.real_time import REQUESTS_LOOP

OURS = [name for name in CONTENDERS if name.startswith("agent")]
PLAIN, FIRST = (name for name in CONTENDERS if name not in OURS)


def incident(kind: Kind, notice_s: float = 30.0, shown_at_s: float = 10.5) -> Incident:
    """Let it be shown in the middle between two polls of a second."""
    return Incident(kind, shown_at_s, notice_s)


@pytest.mark.parametrize("contender", CONTENDERS)
def test_with_thirty_seconds_everybody_saves_everything(contender: str) -> None:
    """Each runs its hook, once it has seen the event; none sooner."""
    outcome = play(CONTENDERS[contender](), incident(Kind.EVICTED))
    assert outcome.is_essential_saved
    assert outcome.is_all_saved
    assert outcome.first_hook_s is not None
    assert 0 < outcome.first_hook_s < (5.1 if contender == PLAIN else 1.1)
    assert not outcome.takes_work


@pytest.mark.parametrize("contender", CONTENDERS)
def test_with_three_seconds_who_looks_each_second_saves_what_is_essential(contender: str) -> None:
    """Shown just after a look, the next one of the plain agent comes when the VM is gone."""
    outcome = play(CONTENDERS[contender](), incident(Kind.EVICTED, 3.0, shown_at_s=10.1))
    assert outcome.is_essential_saved is (contender != PLAIN)
    assert not outcome.is_all_saved


@pytest.mark.parametrize("contender", CONTENDERS)
def test_who_looks_at_the_names_leaves_a_siblings_event_alone(contender: str) -> None:
    """The other one saves in vain, and keeps the VM out of work."""
    outcome = play(CONTENDERS[contender](), incident(Kind.SIBLING_EVICTED))
    assert (outcome.first_hook_s is None) is (contender != FIRST)
    assert outcome.takes_work is (contender != FIRST)


@pytest.mark.parametrize("contender", CONTENDERS)
def test_after_a_cancelled_notice_only_the_agent_goes_on_working(contender: str) -> None:
    """The others undo nothing."""
    assert play(CONTENDERS[contender](), incident(Kind.CANCELLED)).takes_work is (contender in OURS)


def test_the_loop_with_requests_asks() -> None:
    """What is measured beside the agent is a loop that works."""
    azure = AzureStandIn()
    url = f"{azure.url}/metadata/scheduledevents?api-version=2020-07-01"
    with subprocess.Popen([sys.executable, "-c", REQUESTS_LOOP, url], env={}) as loop:  # noqa: S603 - our own words
        try:
            deadline = time.monotonic() + 60
            while not azure.polls:
                assert loop.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
        finally:
            loop.kill()
            azure.close()
    assert azure.unruly == []
