"""The page of beliefs and the table of checks say the same; a belief without a check says why."""

from __future__ import annotations

import argparse
import re
from typing import Final

import pytest

from localazure.laptop import REPOSITORY
from spot_responder.commands.trials.trial import EXAMPLES
from spot_responder.commands.trials.words import beliefs, usd
from spot_responder.trial.run import _WORK
from spot_responder.trial.views.announcement import announcement
from spot_responder.trial.views.checks import BELIEFS, CHECKS, judged, steps_for
from spot_responder.trial.views.observations import Observations
from spot_responder.trial.views.rights import NEEDED
from spot_responder.trial.views.unchecked import UNCHECKED
from spot_responder.trial.views.verdicts import Step, Verdict

PAGE: Final = (REPOSITORY / "docs" / "azure-assumptions.md").read_text(encoding="utf-8")


def _cells(line: str) -> list[str]:
    """Give the cells of a belief's row."""
    found = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)][1:-1]
    return found if found and re.fullmatch(r"[A-Z]\d+", found[0]) else []


def test_each_belief_of_the_page_has_a_check_or_says_why_not() -> None:
    """And nothing is checked that is no belief."""
    assert set(re.findall(r"^\| ([A-Z]\d+) \|", PAGE, re.MULTILINE)) == BELIEFS
    assert len(CHECKS) + len(UNCHECKED) == len(BELIEFS)
    assert all(each.instead for each in UNCHECKED)


def test_the_page_says_what_a_trial_does_about_each_belief() -> None:
    """In its last table, which has a row for each."""
    section = PAGE.partition("## 12. What trials have found")[2]
    told = {cells[0]: cells[1] for line in section.splitlines() if (cells := _cells(line))}
    wanted = {each.belief: f"checked: {each.steps[-1].value}" for each in CHECKS}
    wanted |= {each.belief: re.split(r"[:,]", each.why.value)[0] for each in UNCHECKED}
    assert told == wanted


def test_each_step_is_done_by_something_and_says_what_rights_it_needs() -> None:
    """No step is forgotten in a table."""
    assert set(_WORK) == set(NEEDED) == set(Step)


def test_a_trial_of_nothing_has_seen_nothing() -> None:
    """Without an observation no belief holds, and none is untrue."""
    found = judged(Observations("https://management.azure.com"), frozenset(), [(Step.GROUP, "refused")])
    assert list(found) == sorted(found, key=lambda belief: ("EQGCRVPWSN".index(belief[0]), int(belief[1:])))
    assert {each.verdict for each in found.values()} == {Verdict.NOT_SEEN}
    assert all(each.how for each in found.values())


def test_only_some_beliefs_take_only_their_steps() -> None:
    """And those that they rest on, in order."""
    assert steps_for(frozenset({"R6", "G5"})) == (Step.READ,)
    assert steps_for(frozenset({"G9"})) == (Step.QUOTA,)
    assert steps_for(frozenset({"E1"})) == (Step.GROUP, Step.WITNESS, Step.MACHINE, Step.EVICTION)
    assert steps_for(frozenset()) == tuple(Step)
    assert steps_for(frozenset({"V8"})) == ()


def test_the_example_that_is_said_to_create_nothing_creates_nothing() -> None:
    """Of --help: somebody may copy it who has no right to create anything."""
    (line,) = (line for line in EXAMPLES.splitlines() if "--only" in line and line.endswith("creates nothing"))
    chosen = beliefs(re.findall(r"--only (\S+)", line)[0])
    assert "It creates nothing." in announcement(steps_for(chosen), "s", "l", "s", 1.0, "me", 0, keep=False)


@pytest.mark.parametrize("amount", ["0.30", "0.3", "1", "100"])
def test_an_amount_that_is_said_to_do_does(amount: str) -> None:
    """Also the smallest one: two amounts that were added are a little more than that."""
    assert usd(amount) == float(amount)


@pytest.mark.parametrize("amount", ["0.29", "100.01", "-1", "1e1"])
def test_another_amount_is_refused_with_those_that_do(amount: str) -> None:
    """From the smallest to the largest."""
    with pytest.raises(argparse.ArgumentTypeError, match=r"is no amount from 0\.30 to 100"):
        usd(amount)


@pytest.mark.parametrize("belief", ["E1", "V8"])
def test_of_only_some_beliefs_only_those_are_told(belief: str) -> None:
    """The others were not asked for."""
    assert list(judged(Observations(""), frozenset({belief}))) == [belief]


def test_the_example_that_creates_nothing_creates_nothing() -> None:
    """The beliefs that the command's help names for it are tried by reading alone."""
    (line,) = [line for line in EXAMPLES.splitlines() if "--only" in line]
    assert line.endswith("creates nothing")
    beliefs = line.split("--only ")[1].split()[0]
    assert steps_for(frozenset(beliefs.split(","))) == (Step.READ,)
