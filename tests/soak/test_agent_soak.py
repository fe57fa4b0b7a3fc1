"""The agent's soak itself: the promises hold, a seed can be seen again, and its mutants are of today's code."""

from __future__ import annotations

import json

import pytest

from soak.agent import __main__ as soak
from soak.agent.mutants import AGENT, MUTANTS
from soak.agent.schedule import run_schedule
from soak.responder.mutants import REPOSITORY, Mutant, is_caught

PROMISES = {"seen", "ours", "saved", "recovered", "held", "told", "acknowledged"}


def test_the_promises_hold(capsys: pytest.CaptureFixture[str]) -> None:
    """In some hundred schedules; `make soak-agent` has more."""
    assert soak.main(["--schedules", "200", "--seed", "100"]) == 0
    report = json.loads(soak.REPORT.read_text("utf-8"))
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == report
    assert report["schedules"] == 200
    assert min(report[name] for name in ("evictions", "acted_upon", "ends", "recoveries", "faults")) > 100


def test_a_seed_can_be_seen_again() -> None:
    """The same happens."""
    assert run_schedule(7) == run_schedule(7)


def test_each_promise_has_a_mutant() -> None:
    """If no bug could break a promise, nothing would check it."""
    assert {mutant.promise for mutant in MUTANTS} == PROMISES


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_a_mutant_is_of_todays_code(mutant: Mutant) -> None:
    """What it changes is there, once, and what comes of it is Python."""
    text = (REPOSITORY / AGENT.product / mutant.file).read_text("utf-8")
    assert mutant.put_into(text) != text


@pytest.mark.parametrize("promise", sorted(PROMISES))
def test_a_mutant_is_caught(promise: str) -> None:
    """The first one of each promise; `make mutants-agent` tries all."""
    mutant = next(one for one in MUTANTS if one.promise == promise)
    assert is_caught(mutant, 400, 1, AGENT) is not None
