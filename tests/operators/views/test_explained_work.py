"""When a VM is down because it stopped itself, and when for another reason."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from spot_responder.decisions.evidence import Evidence
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.situations import Situation
from spot_responder.demand.looks import Doing, VmWatch, Word
from spot_responder.intake.signals import SignalKind
from spot_responder.intake.vms import PowerState
from spot_responder.operators.views.explained_work import stopped_itself_at
from tests.demand.made import vm, word
from tests.harness.makers import TEN, at
from tests.harness.makers import recovery as opened

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.decisions.recoveries import Recovery

NOTHING_KEPT, NOTHING_TOLD = VmWatch(), Evidence()
OWN_STOP = word(Doing.STOPPING, stops_vm=True)


def stopped(
    *words: Word,
    kept: VmWatch = NOTHING_KEPT,
    state: PowerState = PowerState.DEALLOCATED,
    evidence: Evidence = NOTHING_TOLD,
    recovery: Recovery | None = None,
) -> datetime | None:
    """Give when ``vm-1`` stopped itself, as far as is known."""
    shown = vm(state=state)
    seen = Situation(shown.vm_id, SignalKind.SWEEP_FOUND, shown, recovery, evidence)
    return stopped_itself_at(seen, shown, words, kept)


def test_what_its_worker_wrote_last_says_so_and_what_the_app_kept_of_it() -> None:
    """The row in the table may be gone, or the app may not have looked since: one of both is enough."""
    assert stopped(OWN_STOP) == TEN
    assert stopped(kept=VmWatch(own_stops=(TEN,), seen_up_at=TEN)) == TEN
    assert stopped(OWN_STOP, state=PowerState.DEALLOCATING) == TEN


def test_a_vm_of_another_name_says_nothing() -> None:
    """Each VM speaks for itself."""
    assert stopped(replace(OWN_STOP, vm_name="vm-2")) is None
    assert stopped() is None


@pytest.mark.parametrize(
    "otherwise",
    [
        {"state": PowerState.RUNNING},
        {"evidence": Evidence(evicted_at=at("10:01"))},
        {"evidence": Evidence(stopped_firmly_at=at("10:30"))},
        {"recovery": opened().closed(Outcome.STARTED_FOR_WORK, at("10:20"), "it runs")},
        {"kept": VmWatch(seen_up_at=at("10:11"))},
    ],
)
def test_it_may_be_down_for_another_reason_though_it_once_stopped_itself(otherwise: dict[str, Any]) -> None:
    """It runs; was evicted; its owner stopped it; it came up since; or its own stop was refused and it stayed up."""
    assert stopped(OWN_STOP, **otherwise) is None


def test_a_worker_that_wrote_later_that_it_works_did_not_stop_its_vm() -> None:
    """It came up again, and then went down without a word."""
    assert stopped(OWN_STOP, word(Doing.BUSY, at("10:20"))) is None
    assert stopped(OWN_STOP, word(Doing.STOPPING, at("09:59"))) == TEN


def test_an_earlier_recovery_does_not_hide_it() -> None:
    """It was started for work, did it, and then stopped itself."""
    assert stopped(OWN_STOP, recovery=opened().closed(Outcome.STARTED_FOR_WORK, at("09:50"), "it runs")) == TEN
