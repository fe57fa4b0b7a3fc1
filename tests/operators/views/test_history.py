"""What ``history`` counts: recoveries of the real responder, by day, size and region."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from spot_responder.commands.history import as_csv
from spot_responder.decisions.outcomes import Outcome
from spot_responder.operators.views.history import By, History, history
from tests.harness.makers import CLOSED_RECOVERIES, TEN, at, recovery

if TYPE_CHECKING:
    from spot_responder.decisions.recoveries import Recovery
    from tests.harness.stories import NewAzure, StoryAzure

DAY = date(2026, 3, 2)


def counted(azure: StoryAzure, by: By) -> History:
    """Count what the responder wrote."""
    return history(azure.history, DAY, DAY + timedelta(days=1), by)


def two_days(new_azure: NewAzure) -> StoryAzure:
    """Evict two VMs of two sizes today, one of them tomorrow again; a third is deleted while it is down."""
    azure = new_azure()
    azure.add_vm("render-1")
    azure.add_vm("build-1", size="Standard_F4s_v2", location="northeurope")
    azure.add_vm("gone-1")
    for name in ("render-1", "build-1", "gone-1"):
        azure.world.evict(name)
    azure.run_until(at("10:00:05"))
    azure.world.delete("gone-1")
    azure.run_until(TEN + timedelta(days=1))
    azure.world.evict("render-1")
    azure.run_until(TEN + timedelta(days=1, minutes=5))
    return azure


def test_by_day_the_newest_comes_first(new_azure: NewAzure) -> None:
    """How many, how many came back, how long it took, how many start requests, what became of the others."""
    seen = counted(two_days(new_azure), By.DAY)
    tomorrow, today = seen.tallies
    assert (tomorrow.key, today.key) == ("2026-03-03", "2026-03-02")
    assert (today.recoveries, today.restored, today.start_requests) == (3, 2, 2)
    assert today.outcomes == {"restored": 2, "gone": 1}
    assert today.median_s is not None
    assert 30 < today.median_s < 60
    assert (seen.total.recoveries, seen.total.restored) == (4, 3)


def test_by_size_and_region_what_was_hit_most_comes_first(new_azure: NewAzure) -> None:
    """Both are the pool's."""
    azure = two_days(new_azure)
    assert [tally.key for tally in counted(azure, By.SIZE).tallies] == ["standard_d2s_v5", "standard_f4s_v2"]
    assert [tally.key for tally in counted(azure, By.REGION).tallies] == ["westeurope", "northeurope"]


def test_a_recovery_whose_vm_was_never_seen_is_counted_as_unknown() -> None:
    """Rows of an earlier release name no pool."""
    closed = recovery().closed(Outcome.GONE, at("10:01"), "gone")
    assert [tally.key for tally in history([closed], DAY, DAY, By.SIZE).tallies] == ["unknown"]
    assert [tally.key for tally in history([closed], DAY, DAY, By.REGION).tallies] == ["unknown"]


def test_only_what_came_back_has_a_time() -> None:
    """From the eviction until it was seen running."""
    restored = replace(recovery(), down_since=TEN).closed(Outcome.RESTORED, at("10:02"), "it runs again")
    gone = recovery().closed(Outcome.GONE, at("10:01"), "gone")
    seen = history([restored, gone], DAY, DAY, By.DAY)
    assert [each.restored_after_s for each in seen.recoveries] == [None, 120]
    assert (seen.total.median_s, seen.total.longest_s) == (120, 120)
    assert history([], DAY, DAY, By.DAY).total.median_s is None


def test_csv_has_one_row_for_each_recovery_with_times_in_utc() -> None:
    """For a spreadsheet."""
    restored = recovery().closed(Outcome.RESTORED, at("10:02"), "it runs again, 2 min")
    head, row = as_csv(history([restored], DAY, DAY, By.DAY)).splitlines()
    assert head.startswith(
        "vm_id,recovery_id,told_by,down_since,closed_at,outcome,restored_after_s,notice_lead_s,ready_after_s,"
        "start_requests,"
    )
    assert ",evicted,2026-03-02T10:00:00Z,2026-03-02T10:02:00Z,restored,120.0,,,0," in row
    assert row.endswith(',"it runs again, 2 min"')


@given(st.lists(CLOSED_RECOVERIES, max_size=8), st.sampled_from(By))
def test_whatever_was_is_counted_once(closed: list[Recovery], by: By) -> None:
    """Tallies add up to the total."""
    seen = history(closed, DAY, DAY, by)
    assert sum(tally.recoveries for tally in seen.tallies) == seen.total.recoveries == len(closed)
    assert sum(tally.restored for tally in seen.tallies) == seen.total.restored
