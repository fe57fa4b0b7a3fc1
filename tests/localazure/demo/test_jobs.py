"""What the demo makes of the lines that its workers log, and of the rows of the results table."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final
from xml.etree import ElementTree as ET

import pytest

from localazure.demo.jobs.ending import Done, JobsEnding
from localazure.demo.jobs.hash_chain import last_link, next_link
from localazure.demo.jobs.picture import picture
from localazure.demo.jobs.work import Away, Claim, ClaimEnd, Work
from localazure.demo.jobs.work_log import Line, finished, in_words, read_claims, read_line

SVG: Final = "{http://www.w3.org/2000/svg}"
TOLD: Final = Away("work-1", told_s=6.0, since_s=9.0, until_s=None)
NOT_TOLD: Final = Away("work-2", told_s=None, since_s=5.0, until_s=11.0)


def lines(*told: tuple[float, str, str, str], **fields: str | int) -> list[Line]:
    """Give lines of a log: when, VM, event, job."""
    read = [read_line(at_s, vm, json.dumps({"event": event, "job_id": job, **fields})) for at_s, vm, event, job in told]
    return [line for line in read if line is not None]


def work(*claims: Claim, ended_s: float = 20.0) -> Work:
    """Give the work of two VMs, each of which was evicted."""
    return Work(("work-1", "work-2"), 2, {"a": "1", "b": "2"}, claims, (TOLD, NOT_TOLD), ended_s)


SAVED: Final = Claim("work-1", 0, "a", 1, 1.0, 7.0, ClaimEnd.GIVEN_BACK, (2.0, 6.5), told_s=6.0)
CUT: Final = Claim("work-2", 0, "b", 1, 2.0, 5.0, ClaimEnd.CUT_OFF, (3.2,))
AFTER: Final = (
    Claim("work-1", 0, "a", 2, 15.0, 17.0, ClaimEnd.FINISHED),
    Claim("work-1", 1, "b", 2, 15.5, 19.0, ClaimEnd.FINISHED, (16.5, 17.5)),
)
ALL: Final = work(SAVED, CUT, *AFTER)
DONE: Final = (Done("a", 1, is_right=True, attempts=2), Done("b", 2, is_right=True, attempts=2))


def test_the_lines_of_a_claim_become_a_bar() -> None:
    """From its claim to its end, with its checkpoints; on the VM and slot that it was on."""
    told = lines(
        (1.0, "work-1", "claimed", "a"), (2.0, "work-1", "saved", "a"), (3.5, "work-1", "finished", "a"), slot=1
    )
    assert read_claims(told, {}, 10.0) == (Claim("work-1", 1, "a", 1, 1.0, 3.5, ClaimEnd.FINISHED, (2.0,)),)
    assert finished(told) == {"a"}


def test_a_lost_vm_cuts_off_what_it_had_claimed_and_nothing_else() -> None:
    """Not what other VMs have, nor what it claims when it is back."""
    told = lines(
        (1.0, "work-1", "claimed", "a"),
        (1.5, "work-2", "claimed", "b"),
        (9.0, "work-1", "claimed", "c"),
    )
    assert finished(told) == set()
    ends = {claim.job: (claim.end, claim.ended_s) for claim in read_claims(told, {"work-1": [4.0]}, 10.0)}
    assert ends == {"a": (ClaimEnd.CUT_OFF, 4.0), "b": (ClaimEnd.OPEN, 10.0), "c": (ClaimEnd.OPEN, 10.0)}


def test_the_last_words_of_a_vm_are_heard() -> None:
    """It finished one job, and saved another, in the moment when it lost its power; the lines are read after that."""
    told = lines(
        (1.0, "work-1", "claimed", "a"),
        (1.0, "work-1", "claimed", "b"),
        (4.01, "work-1", "finished", "a"),
        (4.02, "work-1", "saved", "b"),
    )
    cut = {claim.job: claim for claim in read_claims(told, {"work-1": [4.0]}, 10.0)}
    assert cut["a"].end is ClaimEnd.FINISHED
    assert (cut["b"].end, cut["b"].saved_s, cut["b"].lost_from_s) == (ClaimEnd.CUT_OFF, (4.0,), 4.0)


@pytest.mark.parametrize("text", ["watching for events", "{half a line", '{"no": "event"}', '["a list"]', ""])
def test_what_else_a_vm_prints_is_no_line_of_a_worker(text: str) -> None:
    """The agent's lines, and rubbish."""
    assert read_line(1.0, "work-1", text) is None


def test_what_a_worker_says_of_its_stop_is_about_all_that_it_has_claimed() -> None:
    """What it claimed before, and gives back; not what another VM has."""
    told = lines(
        (1.0, "work-1", "claimed", "a"),
        (1.0, "work-2", "claimed", "b"),
        (2.0, "work-1", "stopping", ""),
        (2.5, "work-1", "gave back", "a"),
        (3.0, "work-2", "finished", "b"),
    )
    found = {claim.job: (claim.end, claim.told_s) for claim in read_claims(told, {}, 10.0)}
    assert found == {"a": (ClaimEnd.GIVEN_BACK, 2.0), "b": (ClaimEnd.FINISHED, None)}


def test_the_timeline_is_told_what_does_not_happen_with_every_job() -> None:
    """Forty jobs would fill it with claims and checkpoints."""
    quiet = lines(
        (1.0, "work-1", "claimed", "a"), (1.0, "work-1", "saved", "a"), (1.0, "work-1", "finished", "a"), attempt=1
    )
    assert [in_words(line, tells_each=False) for line in quiet] == ["", "", ""]
    assert [in_words(line, tells_each=True) for line in quiet] == [
        "worker: claimed job a",
        "",
        "worker: finished job a",
    ]
    told = lines((1.0, "work-1", "claimed", "a"), (1.0, "work-1", "gave back", "a"), attempt=2, how="evicted")
    assert [in_words(line, tells_each=False) for line in told] == [
        "worker: claimed job a, attempt 2: it goes on where it was saved",
        "worker: gave back job a: evicted",
    ]
    (other,) = lines((1.0, "work-1", "storage refuses", "a"), error="no right")
    (stop,) = lines((1.0, "work-1", "stopping", ""), signal="SIGTERM")
    assert in_words(stop, tells_each=False) == "worker: claims nothing any more: SIGTERM"
    assert in_words(other, tells_each=False) == "worker: storage refuses: a: no right"


def test_work_is_lost_from_the_last_checkpoint_on() -> None:
    """Where it was given back in time, none is."""
    assert [claim.lost_from_s for claim in (SAVED, CUT, AFTER[1])] == [7.0, 3.2, 19.0]
    assert replace(SAVED, saved_s=(2.0,)).lost_from_s == 2.0
    assert replace(CUT, saved_s=()).lost_from_s == CUT.began_s
    assert JobsEnding(ALL, DONE).repeated_s == 1.8


def test_each_job_has_one_result_and_the_right_one() -> None:
    """Or the demo has not come out as expected: one missing, one twice, one wrong."""
    assert JobsEnding(ALL, DONE).is_as_expected
    assert JobsEnding(ALL, DONE).words() == "jobs 2, results 2, repeated 1.8 s"
    assert not JobsEnding(ALL, DONE[:1]).is_as_expected
    assert not JobsEnding(ALL, (DONE[0], DONE[0])).is_as_expected
    assert not JobsEnding(ALL, (DONE[0], replace(DONE[1], is_right=False))).is_as_expected


def test_a_link_that_is_left_out_or_made_twice_shows() -> None:
    """That is why the jobs of the demo are chains."""
    assert last_link(7, 3) == next_link(next_link(next_link("7")))
    assert len({last_link(7, 11), last_link(7, 12), last_link(7, 13), last_link(8, 12)}) == 4


def test_the_picture_shows_each_attempt_each_eviction_and_where_jobs_went_on() -> None:
    """It is an SVG by itself; a person reads the rest of it."""
    drawn = ET.fromstring(picture(ALL, "2 jobs & <2> VMs", "below"))  # noqa: S314 - our own
    bars = [group for group in drawn.iter(f"{SVG}g") if group.find(f"{SVG}title") is not None]
    told = [str(bar.findtext(f"{SVG}title")) for bar in bars]
    assert told == [
        "job 1, attempt 1, given back after 6.0 s, checkpoints: 2",
        "job 2, attempt 1, cut off after 3.0 s, checkpoints: 1",
        "job 1, attempt 2, finished after 2.0 s, checkpoints: 0",
        "job 2, attempt 2, finished after 3.5 s, checkpoints: 2",
    ]
    texts = [text.text for text in drawn.iter(f"{SVG}text")]
    assert {"evicted, told 3 s before; not back", "evicted, without notice; back after 6 s"} <= set(texts)
    assert texts[0] == "2 jobs & <2> VMs"
    handovers = [path for path in drawn.iter(f"{SVG}path") if path.get("class") == "handover"]
    assert len(handovers) == 2
    assert all(float(rect.get("width", "0")) > 0 for rect in drawn.iter(f"{SVG}rect"))


def test_a_picture_of_no_work_is_one_too() -> None:
    """Where no worker came up, it is looked at all the more."""
    empty = Work(("work-1",), 40, {}, (), (), 0.0)
    assert ET.fromstring(picture(empty, "", "")).tag == f"{SVG}svg"  # noqa: S314 - our own
