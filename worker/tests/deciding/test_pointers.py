"""The record of a job survives being written; what somebody wrote into it by hand is never taken for ours."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_worker.deciding.record.pointer_text import (
    MOST_RECORD_BYTES,
    NewerPointerError,
    UnreadablePointerError,
    read_pointer,
    write_pointer,
)
from spot_worker.deciding.record.pointers import Cause, Counters, Ending, Pointer, Poison, Result, Submitted
from workbench.makers import JOB, QUEUE, claim, pointer, saved

RESULT = Result('{"a": 1}', 2, "vm-1", "at", ("o",), (Submitted("next", "id-1", {"b": [1]}),), ("url",))
POISON = Poison(Cause.FAILURES, "it failed", 2, "at")


@pytest.mark.parametrize(
    "written",
    [
        pointer(),
        replace(pointer(), claim=replace(claim(), ended=Ending.EVICTED), checkpoints=(saved(1), saved(2))),
        replace(pointer(), counters=Counters(1, 2, 3, 4, 5, 6, 7.5, 8.25), outcome=RESULT),
        replace(pointer(), outcome=POISON),
    ],
)
def test_what_is_written_is_read_again(written: Pointer) -> None:
    assert read_pointer(write_pointer(written), QUEUE, JOB) == written


@given(st.binary() | st.text().map(str.encode))
def test_rubbish_is_no_record(content: bytes) -> None:
    with pytest.raises(UnreadablePointerError):
        read_pointer(content, QUEUE, JOB)


def test_the_record_of_another_job_is_not_taken_for_this_ones() -> None:
    with pytest.raises(UnreadablePointerError, match="job 'job-1'"):
        read_pointer(write_pointer(pointer()), QUEUE, "job-2")


def test_a_huge_blob_is_no_record() -> None:
    with pytest.raises(UnreadablePointerError, match="bytes"):
        read_pointer(b" " * (MOST_RECORD_BYTES + 1), QUEUE, JOB)


def edits() -> list[tuple[str, Any]]:
    """Give what a person might write into the record."""
    return [
        ("format", 0),
        ("format", "2"),
        ("attempt", "3"),
        ("attempt", -1),
        ("attempt", True),
        ("attempt", None),
        ("attempt", 10**18),
        ("claim", None),
        ("claim", {}),
        ("claim.ended", "somehow"),
        ("claim.has_progressed", 1),
        ("counters.failures", "0"),
        ("counters.seconds_worked", float("nan")),
        ("checkpoints", [1]),
        ("checkpoints", None),
        ("outcome", {"kind": "other"}),
        ("outcome", {"kind": "poison", "cause": "none", "reason": "r", "attempt": 1, "at": ""}),
        ("outcome.value", "{no json"),
        ("outcome.outputs", [1]),
        ("outcome.submitted", [{}]),
        ("outcome.attempt", None),
    ]


@pytest.mark.parametrize(("where", "what"), edits())
def test_what_cannot_be_is_no_record(where: str, what: object) -> None:
    written = json.loads(write_pointer(replace(pointer(), outcome=RESULT)))
    *folders, name = where.split(".")
    target = written
    for folder in folders:
        target = target[folder]
    target[name] = what
    with pytest.raises(UnreadablePointerError):
        read_pointer(json.dumps(written).encode(), QUEUE, JOB)


def test_a_field_that_another_version_knows_or_does_not_know_yet_is_no_damage() -> None:
    """Versions change one VM after the other, and work on the same jobs meanwhile."""
    written = json.loads(write_pointer(replace(pointer(), outcome=RESULT, checkpoints=(saved(1),))))
    for part in (written, written["claim"], written["counters"], written["checkpoints"][0], written["outcome"]):
        part["more"] = {"of": "a newer version"}
    del written["counters"]["silent_in_vain"], written["claim"]["has_progressed"], written["outcome"]["inputs"]
    read = read_pointer(json.dumps(written).encode(), QUEUE, JOB)
    assert read == replace(pointer(), outcome=replace(RESULT, inputs=()), checkpoints=(saved(1),))


def test_a_record_of_a_newer_format_is_no_damage_either() -> None:
    written = {**json.loads(write_pointer(pointer())), "format": 3}
    with pytest.raises(NewerPointerError, match="newer version"):
        read_pointer(json.dumps(written).encode(), QUEUE, JOB)


def test_the_largest_record_that_a_job_can_ask_for_is_read_again() -> None:
    """A body of short words becomes long when it is written in lines."""
    body = [0] * 32_000
    submitted = tuple(Submitted("next", f"id-{number}", body) for number in range(64))
    names = tuple(f"{number:0500}" for number in range(2000))
    largest = replace(pointer(), outcome=replace(RESULT, submitted=submitted, outputs=names, inputs=names))
    assert read_pointer(write_pointer(largest), QUEUE, JOB) == largest
