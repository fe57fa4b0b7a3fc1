"""Which stops of a VM count as its own: told in whatever order, and never against its owner's will."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from spot_responder.decisions.evidence import Evidence, Verdict
from spot_responder.demand.own_stops import unseen_own_stop, without_own_stops
from tests.harness.makers import TEN

MINUTE = timedelta(minutes=1)


def at(minutes: float) -> datetime:
    """Give a time after ten."""
    return TEN + minutes * MINUTE


def verdict(evidence: Evidence, said: float | None, seen_up: float | None) -> Verdict:
    """Weigh what a row keeps; ``said``: when the worker wrote that it stops its VM, ``seen_up``: as a look saw it."""
    own_stops = () if said is None else (at(said),)
    return without_own_stops(evidence, own_stops, None if seen_up is None else at(seen_up)).verdict


@pytest.mark.parametrize(("said", "stopped"), [(0, 0), (0, 10), (0, -2), (0, 5)])
def test_a_stop_that_its_worker_told_of_before_is_its_own(said: float, stopped: float) -> None:
    """The row kept it from when its event could not be answered."""
    assert verdict(Evidence(stopped_weakly_at=at(stopped)), said, None) is Verdict.UNKNOWN


@pytest.mark.parametrize("stopped", [-2.1, 10.1])
def test_a_stop_at_another_time_is_its_owners(stopped: float) -> None:
    """So is any stop without a word of the worker."""
    assert verdict(Evidence(stopped_weakly_at=at(stopped)), 0, None) is Verdict.STOPPED_BY_OWNER
    assert verdict(Evidence(stopped_weakly_at=at(stopped)), None, 60) is Verdict.STOPPED_BY_OWNER


def test_a_stop_whose_caller_is_known_is_its_owners_whatever_the_worker_wrote() -> None:
    """Its owner stopped it in the same minute. Only its own identity is not its owner."""
    stopped = Evidence(stopped_firmly_at=at(1), stopped_by="abc")
    assert verdict(stopped, 0, 0) is Verdict.STOPPED_BY_OWNER
    assert without_own_stops(stopped, [at(0)], None, "def").verdict is Verdict.STOPPED_BY_OWNER
    assert without_own_stops(stopped, [], None, "abc").verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("evidence", [Evidence(stopped_firmly_at=at(0)), Evidence(stopped_weakly_at=at(0))])
def test_its_owner_started_it_again_and_no_event_told_of_that(evidence: Evidence) -> None:
    """Stopped at 10:00, up at 10:30 as a look saw, and at 10:40 it stops itself: the owner's stop is over."""
    assert verdict(evidence, 40, 30) is Verdict.UNKNOWN


@pytest.mark.parametrize(("said", "seen_up"), [(40, None), (40, 1), (1, 30), (None, 30)])
def test_one_witness_does_not_end_an_owners_stop(said: float | None, seen_up: float | None) -> None:
    """Other VMs may write rows in its name, and Resource Graph shows for some minutes what was."""
    assert verdict(Evidence(stopped_firmly_at=at(0)), said, seen_up) is Verdict.STOPPED_BY_OWNER


@pytest.mark.parametrize(
    ("said", "told", "seen", "unseen"),
    [
        ((), None, (), None),
        ((3,), None, (), 3),
        ((3,), None, (3,), None),
        ((3,), None, (-60,), 3),
        ((-60,), None, (-60, 3), None),
        ((-20,), None, (), -20),
        ((), 5, (), 5),
        ((), -1, (), None),
        ((3,), 5, (3,), None),
        ((3,), 5, (), 3),
        ((), 60, (3,), 60),
    ],
)
def test_a_look_knows_of_an_own_stop_that_its_worker_wrote_before_or_that_azure_told_of(
    said: tuple[float, ...], told: float | None, seen: tuple[float, ...], unseen: float | None
) -> None:
    """Looked at at ten. What the worker wrote is of the VM's clock: what a look has not seen is new, whatever its time.

    Azure's event comes when the VM is down; where a look has seen the worker's word, that is no news.
    """
    told_at = None if told is None else at(told)
    found = unseen_own_stop([at(each) for each in said], told_at, [at(each) for each in seen], TEN)
    assert found == (None if unseen is None else at(unseen))
