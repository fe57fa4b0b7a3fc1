"""A trial goes by Azure's time: a laptop's clock that is off makes no belief untrue."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localazure.trial.ground import open_beneath
from spot_responder.trial.clock import AzuresClock
from spot_responder.trial.views.report import clock_told
from tests.trial.harness.made_up import at
from tests.trial.turns.turned import STEPS, not_holding, problem_of_unturned, tried
from tests.trial.turns.turning import Turning
from tests.trial.turns.turnings import TURNINGS

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from tests.trial.turns.turned import Trial


@dataclass
class Local:
    """A computer's clock, which is ``behind`` Azure's by so many seconds."""

    behind: float
    azures_s: float = 0.0

    def now(self) -> datetime:
        """Give its time."""
        return at(self.azures_s - self.behind)


@pytest.mark.parametrize("minutes", [-7, 7])
def test_a_clock_that_is_minutes_off_makes_no_belief_untrue(minutes: int, tmp_path: Path) -> None:
    """Events and the VM tell Azure's time, and what is compared with it is Azure's as well."""

    async def story() -> Trial:
        async with open_beneath(tmp_path) as beneath:
            behind = timedelta(minutes=minutes)
            return await asyncio.to_thread(tried, tmp_path / "here", beneath, 1, Turning(), STEPS, behind)

    found = asyncio.run(story()).found
    assert not_holding(found) == {}
    assert problem_of_unturned(found, TURNINGS) == ""


@given(
    behind=st.floats(-90_000, 90_000),
    answers=st.lists(st.tuples(st.floats(0, 30), st.floats(0, 5), st.floats(0, 1)), min_size=1, max_size=9),
)
def test_azures_time_is_known_to_a_second_and_what_an_answer_took(
    behind: float, answers: list[tuple[float, float, float]]
) -> None:
    """By the best of the answers, whenever in it Azure wrote its header, which has whole seconds."""
    local = Local(behind)
    clock = AzuresClock(local.now)
    assert clock.now() == local.now()
    for pause_s, took_s, share in answers:
        local.azures_s += pause_s + took_s
        written = at(local.azures_s - took_s * share)
        clock.hear(format_datetime(written, usegmt=True), took_s)
    best = min(took_s for _, took_s, _ in answers)
    assert abs((clock.now() - at(local.azures_s)).total_seconds()) <= 1.001 + best


def test_a_clock_that_agrees_is_left_as_it_is() -> None:
    """The header has whole seconds: half of one would be made up."""
    clock = AzuresClock(Local(0.0, 0.9).now)
    clock.hear(format_datetime(at(0), usegmt=True), 0.05)
    assert clock.ahead == timedelta()
    assert "agrees" in clock_told(clock.ahead)


def test_a_clock_that_is_set_meanwhile_is_measured_anew() -> None:
    """What earlier answers told of it counts no more."""
    local = Local(300.0)
    clock = AzuresClock(local.now)
    clock.hear(format_datetime(at(0), usegmt=True), 0.0)
    assert "300.5 s behind" in clock_told(clock.ahead)
    local.behind = -60.0
    clock.hear(format_datetime(at(0), usegmt=True), 0.0)
    assert "59.5 s ahead" in clock_told(clock.ahead)


@pytest.mark.parametrize("date", ["", "soon", "Tue, 01 Jan 2030 00:00:00 -0000"])
def test_where_azure_tells_no_time_that_is_said(date: str) -> None:
    """The verdicts may be wrong then."""
    clock = AzuresClock(Local(300.0).now)
    clock.hear(date, 0.0)
    assert clock.ahead is None
    assert "by this computer's clock. If that is off, verdicts" in clock_told(clock.ahead)
