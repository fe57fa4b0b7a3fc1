"""What is made of what the listener inside the VM printed, and that it says so when it said nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from spot_responder.trial.views.observations import LISTENER, Mark, Observations
from tests.trial.harness.made_up import DOWN, FAILS, GOING, HOLDS, JUDGES, UNSEEN, UP, at, ok, samples, seen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spot_responder.trial.views.verdicts import Verdict

BELIEFS = ("E17", "V1", "V2", "V3", "V4", "V5", "V6", "V7", "V10", "V11", "V13", "V14", "V16", "V17")
MOMENTS = {Mark.EVICTION: 100, Mark.EVICTED: 140, Mark.STARTED: 200, Mark.RUNS: 230}
SERVICE: dict[str, Any] = {
    "newest": 404,
    "unknown": 400,
    "name": "Witness",
    "clock_error_s": 0.4,
    "token_lives_s": 86000.0,
    "load_balancer": 404,
}


def line(seconds: float, what: str, boot: str = "one", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Give a line of the listener."""
    return {"at": at(seconds).isoformat(), "boot": boot, "what": what, "asked": 9, "too_many": 0} | more


def preempt(seconds: float, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Give a line with an eviction."""
    event = {"EventType": "Preempt", "Resources": ["witness"], "NotBefore": "Tue, 01 Jan 2030 00:02:10 GMT", **more}
    return line(seconds, "events", events=[event])


SHOWN = [preempt(110), preempt(129)]
BOOT = [line(10, "boot"), line(11, "first answer", status=200, took_s=1.0), line(12, "service", **SERVICE)]
AGAIN = [line(240, "boot", "two")]


def heard(*lines: Mapping[str, Any], marks: Mapping[Mark, float] = MOMENTS, **more: Any) -> Observations:  # noqa: ANN401 - any field of the observations
    """Give what was seen, with this in the serial log."""
    states = {"powers": samples(UP, UP, GOING, DOWN, first=128)} | more
    found = seen(marks=marks, **states)
    log = "".join(f"[  12.3] {LISTENER}{json.dumps(each)}\r\n" for each in lines)
    found.hear(f"Linux version 6\n{LISTENER}{{cut off\n{LISTENER}[]\n{log}")
    return found


ALL = [*BOOT, *SHOWN, *AGAIN]


@pytest.mark.parametrize("belief", BELIEFS)
def test_all_is_found_as_it_is_believed(belief: str) -> None:
    """A log that was read twice is heard once."""
    found = heard(*ALL)
    found.hear(f"{LISTENER}{json.dumps(BOOT[0])}")
    assert len(found.heard) == len(ALL)
    assert JUDGES[belief](found).verdict is HOLDS, JUDGES[belief](found)


@pytest.mark.parametrize("belief", BELIEFS)
def test_where_nothing_was_heard_nothing_is_judged(belief: str) -> None:
    """And why nothing was heard is said."""
    silent = heard(missed={"listener": "the serial log was not read: 403"})
    assert JUDGES[belief](silent).verdict is UNSEEN
    assert JUDGES[belief](silent).how == "the serial log was not read: 403"


def _service(**more: Any) -> Observations:  # noqa: ANN401 - JSON
    return heard(line(12, "service", **SERVICE | more))


CASES: list[tuple[str, Verdict, Observations]] = [
    ("E17", UNSEEN, heard(*ALL, powers=samples(UP))),
    ("E17", FAILS, heard(*BOOT, preempt(-400))),
    ("V1", UNSEEN, heard(*BOOT)),
    ("V1", FAILS, heard(*BOOT, preempt(110, Resources=["sibling"]))),
    ("V1", UNSEEN, heard(*SHOWN)),
    ("V1", FAILS, heard(*BOOT, preempt(110, Resources=None))),
    ("V2", FAILS, heard(line(11, "first answer", status=0, took_s=131))),
    ("V2", UNSEEN, heard(*SHOWN)),
    ("V3", FAILS, _service(unknown=200)),
    ("V3", UNSEEN, heard(*SHOWN)),
    ("V4", FAILS, heard(*BOOT, preempt(80), preempt(130))),
    ("V4", UNSEEN, heard(*ALL, marks={})),
    ("V4", HOLDS, heard(preempt(400))),
    ("V5", FAILS, heard(*ALL, line(130, "events", events=[]))),
    ("V6", FAILS, heard(line(1, "boot") | {"too_many": 1})),
    ("V7", FAILS, heard(*BOOT, preempt(110))),
    ("V7", UNSEEN, heard(*BOOT, preempt(110, NotBefore=""))),
    ("V7", HOLDS, heard(preempt(110, NotBefore="2030-01-01T00:01:51Z"))),
    ("V10", FAILS, heard(*ALL, line(131, "told to end"))),
    ("V11", FAILS, heard(*BOOT, line(240, "boot"))),
    *((belief, UNSEEN, heard(*BOOT, preempt(100))) for belief in ("V4", "V5", "V7", "V10")),
    ("V5", UNSEEN, heard(*BOOT, preempt(110, EventId="one"), preempt(129, EventId="two"))),
    ("V3", UNSEEN, _service(unknown=0)),
    ("V14", UNSEEN, _service(load_balancer=503)),
    ("V6", UNSEEN, heard(line(1, "boot", asked=0))),
    ("V11", UNSEEN, heard(*BOOT)),
    ("V11", UNSEEN, heard(line(240, "boot"))),
    ("V13", FAILS, _service(clock_error_s=-30)),
    ("V13", UNSEEN, _service(clock_error_s=None)),
    ("V14", FAILS, _service(load_balancer=200)),
    ("V14", UNSEEN, _service(load_balancer=0)),
    ("V16", FAILS, _service(token_lives_s=600)),
    ("V17", FAILS, seen({"serial log": ok()})),
    ("V16", FAILS, _service(token_lives_s=None, token_lives_s_refused="Identity not found")),  # noqa: S106 - no password
]


@pytest.mark.parametrize(("belief", "verdict", "observations"), CASES)
def test_the_inside_is_judged_by_what_was_heard(belief: str, verdict: Verdict, observations: Observations) -> None:
    """And by nothing else."""
    assert JUDGES[belief](observations).verdict is verdict, JUDGES[belief](observations)
