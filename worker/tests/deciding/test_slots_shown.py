"""What ``workers`` and ``jobs`` show of workers that are no more."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from spot_worker.deciding.names import pointer_name
from spot_worker.deciding.record.pointer_text import write_pointer
from spot_worker.deciding.record.pointers import Ending, Pointer
from spot_worker.deciding.rows import Doing, SlotState, slot_row
from spot_worker.deciding.slots_shown import is_silent, shown_state
from spot_worker.deciding.times import iso
from workbench.makers import claim, pointer, saved

if TYPE_CHECKING:
    from workbench.real_worker import Bench

_NOW = datetime(2026, 3, 2, 12, 0, tzinfo=timezone.utc)


def slot(doing: Doing, seconds_ago: float, job_id: str = "", lease_s: int = 30) -> SlotState:
    """Give a slot that wrote so long ago."""
    return SlotState(
        "frames", "vm-1", "0", "boot", doing, job_id, "", iso(_NOW - timedelta(seconds=seconds_ago)), lease_s
    )


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (slot(Doing.BUSY, 29, "job-1"), "busy"),
        (slot(Doing.BUSY, 31, "job-1"), "silent"),
        (slot(Doing.BUSY, 31, "job-1", lease_s=600), "busy"),
        (slot(Doing.IDLE, 100), "idle"),
        (slot(Doing.IDLE, 200), "silent"),
        (slot(Doing.IDLE, 200, lease_s=600), "idle"),
        (slot(Doing.STOPPING, 5, "job-1"), "stopping"),
        (slot(Doing.STOPPING, 31, "job-1"), "silent"),
        (slot(Doing.STOPPING, 5), "ended"),
        (slot(Doing.STOPPING, 5000), "ended"),
    ],
)
def test_a_slot_is_shown_as_it_wrote_as_long_as_that_is_true(state: SlotState, shown: str) -> None:
    assert shown_state(slot_row(state), iso(_NOW)) == shown


def test_a_row_of_an_earlier_version_or_of_somebody_else_is_shown_too() -> None:
    row = {key: value for key, value in slot_row(slot(Doing.BUSY, 20, "job-1")).items() if key != "lease_s"}
    assert shown_state(row, iso(_NOW)) == "busy"
    assert shown_state({**row, "renewed_at": "then"}, iso(_NOW)) == "silent"
    assert shown_state({}, iso(_NOW)) == "silent"


def at(found: Pointer, seconds_ago: float) -> Pointer:
    """Let a job be claimed so long ago."""
    return replace(found, claim=replace(claim(), at=iso(_NOW - timedelta(seconds=seconds_ago))))


def test_a_claim_is_silent_once_its_worker_was_not_heard_of_for_longer_than_the_lease() -> None:
    old, now = at(pointer(), 100), iso(_NOW)
    assert is_silent(old, [], now)
    assert not is_silent(at(pointer(), 20), [], now)
    assert not is_silent(replace(old, checkpoints=(replace(saved(1), at=iso(_NOW)),)), [], now)
    assert not is_silent(old, [slot_row(slot(Doing.BUSY, 20, old.job_id))], now)
    assert is_silent(old, [slot_row(slot(Doing.BUSY, 20, "another"))], now)
    assert is_silent(old, [slot_row(slot(Doing.BUSY, 40, old.job_id))], now)
    assert not is_silent(old, [slot_row(slot(Doing.BUSY, 40, old.job_id, lease_s=60))], now)


def test_people_see_for_a_day_who_is_no_more_and_programs_for_ever(bench: Bench) -> None:
    table, now = bench.storage.tables.create_table_if_not_exists("workers"), datetime.now(timezone.utc)
    for hours in (1, 25):
        for doing in (Doing.STOPPING, Doing.BUSY, Doing.IDLE):
            where = {"PartitionKey": "long-ago", "RowKey": f"vm-{doing.value}-{hours}:0"}
            renewed_at = iso(now - timedelta(hours=hours))
            table.create_entity({**where, "state": doing.value, "renewed_at": renewed_at, "lease_s": 30})
    told = {row["vm"]: row["state"] for row in bench.asked("workers", "--queue", "long-ago")}
    assert told == {
        **{f"vm-stopping-{hours}": "ended" for hours in (1, 25)},
        **{f"vm-{doing}-{hours}": "silent" for doing in ("busy", "idle") for hours in (1, 25)},
    }
    shown = bench.command("workers", "--queue", "long-ago").stdout
    assert {vm for vm in told if f"{vm} " in shown} == {"vm-stopping-1", "vm-busy-1", "vm-idle-1"}


def test_a_job_whose_vm_vanished_is_told_from_one_that_runs(bench: Bench) -> None:
    bench.submit("vanishing", 1)
    container = bench.storage.blobs.create_container("vanishing-checkpoints")
    long_ago, now = "2026-03-02T10:00:00.000Z", iso(datetime.now(timezone.utc))
    claims = {"gone": claim(), "runs": replace(claim(), at=now), "back": replace(claim(), ended=Ending.FAILED)}
    for job_id, one in {**claims, "long": claim()}.items():
        container.upload_blob(pointer_name("vanishing", job_id), write_pointer(Pointer("vanishing", job_id, 1, one)))
    row = slot_row(SlotState("vanishing", "vm-1", "0", "boot", Doing.BUSY, "long", long_ago, now, 3600))
    bench.storage.tables.create_table_if_not_exists("workers").create_entity(row)
    found = {row["job_id"]: row["state"] for row in bench.asked("jobs", "--queue", "vanishing")["jobs"]}
    assert found == {"gone": "silent", "runs": "claimed", "back": "waiting", "long": "claimed"}
    assert "2 claimed, 1 silent, 1 waiting" in bench.command("jobs", "--queue", "vanishing").stdout
