"""The soak of work queues itself: the promises hold, a seed can be seen again, and its mutants are of today's code."""

from __future__ import annotations

import json

import pytest

from soak.responder.mutants import REPOSITORY, Mutant, is_caught
from soak.work import __main__ as soak
from soak.work.mutants import MUTANTS, WORK
from soak.work.schedule import run_schedule

PROMISES = {"live", "busy", "idle", "bounded", "safe"}


def test_the_promises_hold(capsys: pytest.CaptureFixture[str]) -> None:
    """In some schedules; `make soak-work` has more."""
    assert soak.main(["--schedules", "15", "--seed", "10"]) == 0
    report = json.loads(soak.REPORT.read_text("utf-8"))
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == report
    assert report["schedules"] == 15
    assert min(report[name] for name in ("jobs", "starts", "own_stops", "probes", "faults_injected")) > 5


def test_a_seed_can_be_seen_again() -> None:
    """The same happens."""
    assert run_schedule(7) == run_schedule(7)


def test_each_promise_has_a_mutant() -> None:
    """If no bug could break a promise, nothing would check it."""
    assert {mutant.promise for mutant in MUTANTS} == PROMISES


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_a_mutant_is_of_todays_code(mutant: Mutant) -> None:
    """What it changes is there, once, and what comes of it is Python."""
    text = (REPOSITORY / WORK.product / mutant.file).read_text("utf-8")
    assert mutant.put_into(text) != text


def test_a_mutant_is_caught() -> None:
    """One that shows soon; `make mutants-work` tries all."""
    (mutant,) = [each for each in MUTANTS if each.promise == "busy"]
    assert is_caught(mutant, 200, 1, WORK) is not None
