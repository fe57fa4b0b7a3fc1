"""The real app compares max prices with each sweep: over the wire, with its own identity, and into its table."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from spot_responder.decisions.publishing.published_events import PRICE_ALERT_TYPE
from tests.harness.operators_laptop import PATIENCE_S, add, operators_laptop

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.operators_laptop import OperatorsLaptop

SIZE = "Standard_D4s_v5"


def told(azure: OperatorsLaptop) -> list[dict[str, Any]]:
    """Give what was published of prices."""
    published: list[dict[str, Any]] = [dict(event) for event in azure.laptop.outcomes.published]
    return [event["data"] for event in published if event["type"] == PRICE_ALERT_TYPE]


def until_told(azure: OperatorsLaptop, number: int) -> None:
    """Wait until so many alerts were published."""
    deadline = time.monotonic() + PATIENCE_S
    while len(told(azure)) < number:
        assert time.monotonic() < deadline, told(azure)
        time.sleep(0.1)


def test_a_max_price_that_falls_behind_is_told_once_and_shown(tmp_path: Path) -> None:
    """An event for each VM, and ``status`` says what needs somebody and what is near; the app has no other identity."""
    with operators_laptop(tmp_path, {"SWEEP_SCHEDULE": "*/2 * * * * *"}) as azure:
        azure.move(lambda laptop: laptop.world.set_price(SIZE, "westeurope", 0.048))
        add(azure, "below-1", size=SIZE, max_price=0.04)
        add(azure, "near-1", size=SIZE, max_price=0.05)
        add(azure, "rich-1", size=SIZE, max_price=0.2)
        until_told(azure, 2)
        # Two more sweeps: the log has a line for each.
        sweeps = azure.laptop.host_log.read_text("utf-8").count('{"event": "sweep"')
        deadline = time.monotonic() + PATIENCE_S
        while azure.laptop.host_log.read_text("utf-8").count('{"event": "sweep"') < sweeps + 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert {(each["vmId"].rpartition("/")[2], each["standing"]) for each in told(azure)} == {
            ("below-1", "below"),
            ("near-1", "near"),
        }
        assert len(told(azure)) == 2
        seen = azure.operator("status")
        assert "below-1: the max price is below today's Spot price" in seen.out
        assert "the Spot price is near the max price of: near-1" in seen.out
        assert seen.exit_code == 1
