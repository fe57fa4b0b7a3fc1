"""A belief that is not true is found out, and no other: those that a trial reads at once. The others: ``turned.py``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from localazure.trial.ground import open_beneath
from spot_responder.trial.views.checks import steps_for
from spot_responder.trial.views.verdicts import Found, Step, Verdict
from tests.trial.turns.turned import STEPS, main, not_holding, problem_of, problem_of_unturned, tried
from tests.trial.turns.turning import Turning
from tests.trial.turns.turnings import TURNINGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

READ_AT_ONCE = [belief for belief in TURNINGS if steps_for(frozenset({belief})) == (Step.READ,)]


def _found(folder: Path, turning: Turning, steps: Sequence[Step] = (Step.READ,)) -> Mapping[str, Found]:
    async def story() -> Mapping[str, Found]:
        async with open_beneath(folder) as beneath:
            return (await asyncio.to_thread(tried, folder / "here", beneath, 1, turning, steps)).found

    return asyncio.run(story())


@pytest.mark.parametrize("belief", READ_AT_ONCE)
def test_a_belief_that_is_not_true_is_found_out(belief: str, tmp_path: Path) -> None:
    """The right one, and no other."""
    assert problem_of(belief, _found(tmp_path, TURNINGS[belief])) == ""


def test_a_whole_trial_finds_out_what_is_not_true_inside_the_vm(tmp_path: Path) -> None:
    """Its serial log has nothing: it was read before a lock refused that."""
    assert problem_of("V17", _found(tmp_path, TURNINGS["V17"], STEPS)) == ""


def test_what_is_as_believed_holds(tmp_path: Path) -> None:
    """And what such a trial does not look at is not called untrue."""
    found = _found(tmp_path, Turning())
    assert not_holding(found) == {}
    assert {found[belief].verdict for belief in READ_AT_ONCE} == {Verdict.HOLDS}


def test_each_verdict_that_is_not_as_it_should_be_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """By `make trial-turned`, of which this is the part that judges."""
    holds = {belief: Found(Verdict.HOLDS, "seen") for belief in TURNINGS}
    untrue, unseen = Found(Verdict.DOES_NOT_HOLD, "odd"), Found(Verdict.NOT_SEEN, "late")
    assert problem_of("E1", holds | {"E1": untrue}) == ""
    assert problem_of("E1", holds | {"E1": unseen}) == "not-seen: late"
    assert problem_of("E1", holds | {"E1": untrue, "E2": untrue}) == "E2 too: odd"
    assert problem_of_unturned(holds | {"R8": unseen}, TURNINGS) == ""
    assert (
        problem_of_unturned(holds | {"E1": unseen, "E2": untrue}, TURNINGS)
        == "E1 not seen: late; E2 does not hold: odd"
    )
    assert main(["E1", "V8"]) == 2
    assert "cannot turn V8" in capsys.readouterr().err
