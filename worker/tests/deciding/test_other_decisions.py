"""Results, rows, upload rates, and the lines between worker and process."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_worker.deciding.conversation import (
    Done,
    Failed,
    FileSaved,
    Loaded,
    Returned,
    StoppedAtSafePoint,
    SubmitAsked,
    Task,
)
from spot_worker.deciding.rates import Rate
from spot_worker.deciding.record import claims
from spot_worker.deciding.record.budgets import Budgets
from spot_worker.deciding.record.pointer_text import read_pointer, write_pointer
from spot_worker.deciding.record.pointers import Kind
from spot_worker.deciding.results import MOST_LISTED, MOST_SUBMITTED, ImpossibleResultError, result_of
from spot_worker.deciding.rows import MOST_RESULT_CHARACTERS, Doing, SlotState, result_row, slot_row
from spot_worker.deciding.times import iso
from spot_worker.deciding.wire import Told, UnreadableLineError, Word, read_line, write_line
from workbench.makers import JOB, QUEUE, claim, pointer


def test_a_result_has_what_follows_from_it() -> None:
    returned = Returned('{"a": 1}', (SubmitAsked("next", 1), SubmitAsked("next", 2)), ("input",))
    result = result_of(returned, pointer(), "now", ("output",))
    assert (result.value, result.attempt, result.vm, result.at) == ('{"a": 1}', 1, "vm-1", "now")
    assert (result.outputs, result.inputs) == (("output",), ("input",))
    assert [one.body for one in result.submitted] == [1, 2]
    assert len({one.id for one in result.submitted}) == 2


@pytest.mark.parametrize(
    ("returned", "why"),
    [
        (Returned('"' + "x" * MOST_RESULT_CHARACTERS + '"'), "job.output"),
        (Returned("1", (SubmitAsked("No Queue", 1),)), "No Queue"),
        (Returned("1", (SubmitAsked("next", "x" * 70_000),)), "put the data into a blob"),
        (Returned("1", (SubmitAsked("next", 1),) * (MOST_SUBMITTED + 1)), "1001 jobs"),
        (Returned("1", (), ("url",) * (MOST_LISTED + 1)), "pack many into one"),
        (Returned("1", (), ("x" * 10_000,) * 110), "pack many into one"),
    ],
)
def test_what_cannot_be_kept_says_why_and_what_to_do(returned: Returned, why: str) -> None:
    with pytest.raises(ImpossibleResultError, match=why):
        result_of(returned, pointer(), "now", ())


def test_a_row_of_results_is_a_copy_of_the_record() -> None:
    result = result_of(Returned("[1]", (SubmitAsked("next", 1),)), pointer(), "now", ("a", "b"))
    row = result_row(pointer().with_outcome(result), result)
    assert (row["PartitionKey"], row["RowKey"], row["result"], row["attempts"]) == ("frames", "job-1", "[1]", 1)
    assert json.loads(str(row["outputs"])) == ["a", "b"]
    assert json.loads(str(row["submitted"])) == [{"queue": "next", "id": result.submitted[0].id}]


def test_a_row_says_how_long_the_job_waited_where_that_is_known() -> None:
    result = result_of(Returned("1"), pointer(), "now", ())
    assert result_row(replace(pointer(), seconds_waited=4.5), result)["seconds_waited"] == 4.5
    assert "seconds_waited" not in result_row(pointer(), result)


def test_the_wait_is_that_until_the_first_claim() -> None:
    first = claims.first(QUEUE, JOB, claim(5), "2026-03-02T10:00:00.500Z").pointer
    assert first.seconds_waited == 4.5
    assert claims.first(QUEUE, JOB, claim(5)).pointer.seconds_waited is None
    assert read_pointer(write_pointer(first), QUEUE, JOB) == first
    later = claims.again(first, claim(9), Budgets(5))
    assert later.pointer.seconds_waited == 4.5


def test_a_row_never_has_more_than_it_can_hold() -> None:
    result = result_of(Returned("1"), pointer(), "now", tuple(f"{number:0300}" for number in range(200)))
    row = result_row(pointer(), result)
    assert json.loads(str(row["outputs"])) == ["200: see the job's pointer.json"]


def test_a_row_of_the_workers_says_what_a_slot_does() -> None:
    row = slot_row(SlotState("frames", "vm-1", "2", "boot-1", Doing.BUSY, "job-1", "then", "now", 30))
    assert (row["RowKey"], row["state"], row["job_id"]) == ("vm-1:2", "busy", "job-1")


def test_an_upload_is_begun_on_notice_only_if_it_ends_in_time() -> None:
    fast = Rate(10_000_000.0)
    assert fast.fits(50_000_000, 6.0)
    assert not fast.fits(50_000_000, 5.2)
    assert not fast.fits(10, 0.1)


def test_the_rate_follows_what_was_measured_but_not_the_small_ones() -> None:
    rate = Rate(10_000_000.0)
    assert rate.after(1000, 1.0) == rate
    assert rate.after(1_000_000, 0.0) == rate
    assert rate.after(2_000_000, 1.0).bytes_per_s == 6_000_000.0


@pytest.mark.parametrize(
    "word",
    [
        Task("frames", "job-1", 2, {"a": [1]}),
        Returned("1", (SubmitAsked("next", {"b": 1}),), ("url",)),
        Failed("no", "trace", is_permanent=True),
        FileSaved("/a", "f" * 64, 3),
        StoppedAtSafePoint(),
        Loaded(Kind.FILE),
        Loaded(None),
        Done("x", stops=True),
    ],
)
def test_what_is_said_is_heard(word: Word) -> None:
    line = write_line(Told(3, 7, word))
    assert line.count(b"\n") == 1
    assert read_line(line) == Told(3, 7, word)


@given(st.binary())
def test_what_is_no_word_is_not_taken_for_one(line: bytes) -> None:
    with pytest.raises(UnreadableLineError):
        read_line(line)


def test_times_are_in_utc_and_whole_to_the_millisecond() -> None:
    assert iso(datetime(2026, 3, 2, 10, 0, 1, 104_000, timezone.utc)) == "2026-03-02T10:00:01.104Z"
