"""Every contender of the bench brings its VMs back: one that ends in an error would be timed as one that fails."""

from __future__ import annotations

import gc
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from bench.peers.cron import cron
from bench.peers.naive import naive
from bench.peers.poll import poll
from bench.peers.runbook import runbook
from bench.scenarios import Scenario
from bench.stage import play_peer, play_responder

if TYPE_CHECKING:
    from bench.stage import Peer

FEW: Final = Scenario(
    "5 VMs",
    vms=5,
    evicted_within=timedelta(seconds=10),
    patience=timedelta(hours=3),
    back_after=timedelta(minutes=5),
    back_per_minute=5,
)
STORM: Final = Scenario("600 VMs", vms=600, evicted_within=timedelta(seconds=10), patience=timedelta(hours=3))


@pytest.mark.parametrize("peer", [cron, naive, poll, runbook], ids=lambda peer: peer.__name__)
def test_a_peer_brings_every_vm_back(peer: Peer) -> None:
    """None has capacity for five minutes; then there is room for all."""
    assert play_peer("peer", peer, FEW).never_back == 0


def test_the_responder_brings_every_vm_back() -> None:
    """As its peers do."""
    assert play_responder(FEW).never_back == 0


def test_a_peer_that_asks_too_often_slows_down_and_ends_in_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """Hundreds at once: Azure answers 429 to starts, and to questions about them."""
    played = play_peer("naive", naive, STORM)
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []
    assert played.throttled["GET"] > 0
    assert played.never_back == 0
