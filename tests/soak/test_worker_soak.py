"""The worker's soak itself: the promises hold, a seed can be seen again, and its mutants are of today's code."""

from __future__ import annotations

import json

import pytest

from soak.responder.mutants import REPOSITORY, Mutant, is_caught
from soak.worker import __main__ as soak
from soak.worker.mutants import MUTANTS, WORKER
from soak.worker.schedule import run_schedule

PROMISES = {"lost", "fenced", "repeated", "noticed"}


def test_the_promises_hold(capsys: pytest.CaptureFixture[str]) -> None:
    """In some hundred schedules; `make soak-worker` has more."""
    assert soak.main(["--schedules", "200", "--seed", "100"]) == 0
    report = json.loads(soak.REPORT.read_text("utf-8"))
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == report
    assert report["schedules"] == 200
    assert report["results"] + report["poisoned"] == report["jobs"]
    assert min(report[name] for name in ("results", "poisoned", "attempts", "ends", "notices", "faults")) > 100


def test_a_seed_can_be_seen_again() -> None:
    """The same happens."""
    assert run_schedule(7) == run_schedule(7)


def test_each_promise_has_a_mutant() -> None:
    """If no bug could break a promise, nothing would check it."""
    assert {mutant.promise for mutant in MUTANTS} == PROMISES


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_a_mutant_is_of_todays_code(mutant: Mutant) -> None:
    """What it changes is there, once, and what comes of it is Python."""
    text = (REPOSITORY / WORKER.product / mutant.file).read_text("utf-8")
    assert mutant.put_into(text) != text


@pytest.mark.parametrize("promise", sorted(PROMISES))
def test_a_mutant_is_caught(promise: str) -> None:
    """The first one of each promise; `make mutants-worker` tries all."""
    mutant = next(one for one in MUTANTS if one.promise == promise)
    assert is_caught(mutant, 200, 1, WORKER) is not None
