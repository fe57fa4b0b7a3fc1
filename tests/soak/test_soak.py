"""The soak itself: a seed can be seen again, what is reported, and that its mutants are of today's code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from soak.responder import __main__ as soak
from soak.responder.faults import START_CODES
from soak.responder.mutants import MUTANTS, PRODUCT, REPOSITORY, Mutant
from soak.responder.schedule import run_schedule
from soak.responder.told import TRUTHS
from spot_responder.decisions.outcomes import Outcome
from spot_responder.intake.azure_errors import ROWS, Entry, row_for

FIELDS = {
    "schedules",
    "vms",
    "looks",
    "faults_injected",
    "unsafe_starts",
    "lost_vms",
    "max_starts_per_vm_hour",
    "unclosed",
    "broken",
    "seed",
}


def test_the_soak_knows_when_each_outcome_is_true() -> None:
    """No VM stops being Spot or is shut down inside, a lost event leaves no sign, and it has no work queues."""
    of_work = {Outcome.STARTED_FOR_WORK, Outcome.NO_WORK}
    assert set(Outcome) - set(TRUTHS) == {Outcome.NOT_SPOT, Outcome.SHUT_DOWN_INSIDE, Outcome.NOT_EVICTED} | of_work


def test_the_same_seed_gives_the_same_run() -> None:
    """A seed that broke a promise shows the same again; another seed is another run."""
    assert run_schedule(7) == run_schedule(7)
    assert run_schedule(7).looks != run_schedule(8).looks


def test_a_soak_reports_what_it_came_to(capsys: pytest.CaptureFixture[str]) -> None:
    """A few schedules: the seed is printed, the report has every figure, and no promise was broken."""
    assert soak.main(["--schedules", "12", "--seed", "100"]) == 0
    report = json.loads(soak.REPORT.read_text())
    assert report.keys() == FIELDS
    assert (report["schedules"], report["seed"], report["broken"]) == (12, 100, 0)
    assert "12 schedules from seed 100" in capsys.readouterr().out


def test_each_rule_for_refusals_is_drawn() -> None:
    """No row of the table is one that no start is ever refused by."""
    drawn = {row_for(Entry(code, message, 0), message) for code, message in START_CODES}
    assert [row for row in ROWS if row not in drawn] == []
    assert None in drawn


@pytest.mark.parametrize("word", ["-1", "many", "1.5", ""])
def test_a_count_that_is_none_is_refused_in_one_line(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With what was wrong."""
    with pytest.raises(SystemExit) as ended:
        soak.main([f"--schedules={word}"])
    assert ended.value.code == 2
    assert f"{word!r} is not a whole number" in capsys.readouterr().err


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_a_mutant_changes_what_is_there(mutant: Mutant) -> None:
    """Its text stands in the product, once, and what comes of it is Python; else it would be no bug."""
    text = (Path(REPOSITORY) / PRODUCT / mutant.file).read_text("utf-8")
    assert mutant.put_into(text) != text
    assert mutant.promise in {"safe", "live", "polite", "told"}
