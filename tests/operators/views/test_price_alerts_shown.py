"""What operators see of max prices that have fallen behind: in ``status`` and on the page."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta

from spot_responder.advised_command import CommandLine
from spot_responder.commands.status import render
from spot_responder.intake.vms import PowerState, VmId
from spot_responder.offerings.price_alerts import HOLDS, PriceAlert, alert_of
from spot_responder.offerings.priced_vms import PricedVm
from spot_responder.offerings.prices import Os
from spot_responder.operators.views.dead_letters import QueueCounts
from spot_responder.operators.views.status import Coverage, Overview, overview
from spot_responder.terminal.console import Console
from spot_responder.web.views.page import status_page
from tests.harness.makers import TEN

NOTHING = QueueCounts(0, 0, 0, 0, 0)


def alert(name: str, spot: float) -> PriceAlert:
    """Compare a max price of five cents with a Spot price."""
    vm = PricedVm(VmId("s", "g", name), "westeurope", "Standard_D4s_v5", Os.LINUX, 0.05, PowerState.RUNNING)
    found = alert_of(vm, spot, None, TEN)
    assert found is not None
    return found


def shown(*alerts: PriceAlert) -> Overview:
    """Show these alerts, and nothing else."""
    return overview([], [], [], NOTHING, TEN, coverage=Coverage(3, 0), price_alerts=alerts)


def test_a_max_price_that_is_below_needs_somebody() -> None:
    """One problem for all of them, with the command that says what to type."""
    seen = shown(alert("a", 0.06), alert("b", 0.07), alert("c", 0.048))
    (problem,) = seen.problems
    assert problem.what == "a, b: the max price is below today's Spot price, so that a start would be refused"
    assert problem.mend.endswith("spot-responder prices")
    for text in (render(seen, Console(TEN, UTC)), status_page(seen, CommandLine())):
        assert "so that a start would be refused" in text


def test_one_that_is_near_is_shown_and_needs_nobody_yet() -> None:
    """The next change of the price may be above it."""
    seen = shown(alert("c", 0.048))
    assert seen.problems == ()
    assert "the Spot price is near the max price of: c" in render(seen, Console(TEN, UTC))
    assert "near their max price</dt><dd>c</dd>" in status_page(seen, CommandLine())
    assert "near" not in render(shown(), Console(TEN, UTC))


def test_what_nobody_could_compare_for_a_day_is_not_shown() -> None:
    """It may be otherwise by now."""
    old = replace(alert("a", 0.06), seen_at=TEN - HOLDS)
    assert shown(old).problems == ()
    assert len(shown(replace(old, seen_at=old.seen_at + timedelta(seconds=1))).problems) == 1
