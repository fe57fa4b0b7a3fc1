"""Which stops of a VM count as its own: told in whatever order, and never against its owner's will."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from spot_responder.decisions.evidence import Evidence, Verdict
from spot_responder.demand.own_stops import latest_own_stop, without_own_stops
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
    ("told", "said", "latest"),
    [(None, (), None), (None, (0, 3), 3), (5, (0,), 0), (5, (), 5), (5, (-60,), 5), (5, (7,), 7), (60, (0,), 60)],
)
def test_its_latest_own_stop_is_what_its_worker_wrote_or_else_what_azure_told(
    told: float | None, said: tuple[float, ...], latest: float | None
) -> None:
    """Azure's event comes when the VM is down; a look may have come in between. Without a word, its time counts."""
    told_at = None if told is None else at(told)
    assert latest_own_stop(told_at, [at(each) for each in said]) == (None if latest is None else at(latest))
