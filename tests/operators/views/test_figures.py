"""The figures of the last days: from the real responder's history, in the user's words."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localazure.world.world import OWNER
from spot_responder.decisions.evidence import Evidence
from spot_responder.decisions.failure_counts import FailureCounts
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import Policy
from spot_responder.decisions.recoveries import Notice
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.signals import SignalKind
from spot_responder.operators.views.figures import DAYS, Count, figures
from tests.harness.makers import RECOVERIES, TEN, TIMES, at, recovery

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.decisions.recoveries import Recovery
    from tests.harness.stories import NewAzure


def named(counts: tuple[Count, ...]) -> dict[str, int]:
    """Give the counts that are not nought."""
    return {count.name: count.number for count in counts if count.number}


def test_an_outage_as_the_page_shows_it(new_azure: NewAzure) -> None:
    """Two evicted at ten; capacity back at 10:20: both restored within the hour, and what was refused is counted."""
    azure = new_azure()
    for name in ("render-1", "render-2"):
        azure.add_vm(name)
        azure.world.set_capacity(azure.pool_key(name), 0)
        azure.world.evict(name)
    azure.run_until(at("10:20"))
    azure.world.set_capacity(azure.pool_key("render-1"), None)
    azure.run_until(at("11:00"))
    seen = figures(azure.history, azure.now)
    assert named(seen.evictions) == {"Mon 02 Mar": 2}
    assert sum(named(seen.restore_times).values()) == 2
    assert set(named(seen.failures)) == {"capacity"}
    assert seen.median_restore_s is not None
    assert 20 * 60 < seen.median_restore_s < 40 * 60


def test_a_quiet_week() -> None:
    """Every day is there, with nought."""
    seen = figures([], TEN)
    assert [count.name for count in seen.evictions][::6] == ["Tue 24 Feb", "Mon 02 Mar"]
    assert {count.number for count in (*seen.evictions, *seen.restore_times)} == {0}
    assert (seen.median_restore_s, seen.failures) == (None, ())


def test_a_stop_that_was_told_late_is_no_eviction_and_one_after_an_eviction_leaves_it_one() -> None:
    """By what was told, not by how it ended."""
    late = replace(recovery(), evidence=Evidence(stopped_firmly_at=TEN))
    after = replace(recovery(), evidence=Evidence(evicted_at=TEN, stopped_firmly_at=at("10:02")))
    closed = [each.closed(Outcome.STOPPED_BY_OWNER, at("10:05"), "its owner stopped it") for each in (late, after)]
    assert named(figures(closed, TEN).evictions) == {"Mon 02 Mar": 1}


@pytest.mark.parametrize("kind", [SignalKind.WORK_WAITS, SignalKind.UNAVAILABLE])
def test_what_is_not_known_to_be_an_eviction_yet_is_none(kind: SignalKind) -> None:
    """A start for work, or a VM that just stopped itself. One that is evicted meanwhile is one."""
    under_way = replace(recovery(), opened_by=kind, evidence=Evidence())
    evicted_meanwhile = replace(under_way, evidence=Evidence(evicted_at=TEN))
    assert named(figures([under_way], TEN).evictions) == {}
    assert named(figures([under_way, evicted_meanwhile], TEN).evictions) == {"Mon 02 Mar": 1}


NO_EVICTION = ("not-spot", "opted-out", "owned-by-scale-set", "not-evicted", "runs-without-us")


@pytest.mark.parametrize("outcome", [Outcome(name) for name in NO_EVICTION])
def test_what_was_no_eviction_is_not_counted_as_one(outcome: Outcome) -> None:
    """It was unavailable for a while, and Azure told of no eviction."""
    down = replace(recovery(), opened_by=SignalKind.UNAVAILABLE, evidence=Evidence())
    closed = down.closed(outcome, at("10:05"), "over")
    assert named(figures([closed], TEN).evictions) == {}


@pytest.mark.parametrize("outcome", [Outcome.RUNS_WITHOUT_US, Outcome.OPTED_OUT])
def test_an_eviction_that_azure_told_of_is_one_however_it_ended(outcome: Outcome) -> None:
    """Its owner started the braked VM, or took the tag off, before we were through."""
    found = replace(recovery(), opened_at=at("10:15"), opened_by=SignalKind.SWEEP_FOUND)
    case = found.waiting(at("11:00"), "the brake", notice=Notice.BRAKE)
    assert named(figures([case.closed(outcome, at("10:30"), "over")], TEN).evictions) == {"Mon 02 Mar": 1}


def test_a_braked_vm_that_its_owner_starts_stays_an_eviction(new_azure: NewAzure) -> None:
    """One restart a day is allowed: the second eviction is braked, its owner starts the VM, and both are counted."""
    azure = new_azure(Policy(restarts_per_day=1))
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("11:00"))
    azure.world.evict("render-1")
    azure.run_until(at("11:05"))
    azure.world.start(azure.world.machine("render-1"), OWNER)
    azure.run_until(at("12:00"))
    assert [row.outcome for row in azure.history] == [Outcome.RESTORED, Outcome.RUNS_WITHOUT_US]
    assert named(figures(azure.history, azure.now).evictions) == {"Mon 02 Mar": 2}


def test_the_kind_that_failed_most_comes_first() -> None:
    """Three times no capacity, once the price."""
    rows = [
        replace(recovery(), failures=FailureCounts(by_kind={FailureKind.PRICE: 1, FailureKind.CAPACITY: 1})),
        replace(recovery(), failures=FailureCounts(by_kind={FailureKind.CAPACITY: 2})),
    ]
    assert figures(rows, TEN).failures == (Count("capacity", 3), Count("price", 1))


@pytest.mark.parametrize(
    ("minutes", "step"),
    [(0.5, "up to 1 min"), (1, "up to 1 min"), (1.1, "up to 2 min"), (60, "up to 1 h"), (61, "longer")],
)
def test_times_are_counted_by_steps(minutes: float, step: str) -> None:
    """From the eviction until it was seen running."""
    closed = recovery().closed(Outcome.RESTORED, TEN, "it runs again")
    closed = replace(closed, down_since=TEN - timedelta(minutes=minutes))
    assert named(figures([closed], TEN).restore_times) == {step: 1}


@given(st.lists(RECOVERIES, max_size=4), TIMES)
def test_whatever_the_rows_there_are_figures(rows: list[Recovery], now: datetime) -> None:
    """Seven days, all steps, and never more than there are rows."""
    seen = figures(rows, now)
    assert len(seen.evictions) == DAYS
    assert sum(count.number for count in seen.evictions) <= len(rows)
    assert sum(count.number for count in seen.restore_times) <= len(rows)
