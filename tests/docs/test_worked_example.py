"""The example in CONTRIBUTING.md, by which its readers begin, is what the app does."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.harness.makers import at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.harness.stories import NewAzure

CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"


@dataclass
class Saves:
    """What is saved of one VM, in the words of the table; a closed row is noted once."""

    lines: list[tuple[str, str, str, str]] = field(default_factory=list)
    gate: str = ""

    def pool(self, row: Mapping[str, Any]) -> None:
        """Note what the next row comes with: the gate is saved before the VM's row."""
        taken = "place taken" if json.loads(row["under_way"])["until"] else "place free"
        self.gate = f"{taken}, proven" if row["proven_at"] else taken

    def recovery(self, row: Mapping[str, Any]) -> None:
        """Note a row."""
        attempt = json.loads(row["attempt"])
        tried = f"{attempt['number']} {attempt['state']}" if attempt else ""
        follow_up = "closed" if row["closed_at"] else f"{row['sequence']}, {row['wake_at'][11:19]}"
        line = (follow_up, tried, self.gate, row["reason"])
        self.gate = ""
        if not self.lines or self.lines[-1][0] != "closed":
            self.lines.append(line)


def test_the_example_in_contributing_is_what_the_app_does(new_azure: NewAzure) -> None:
    """Evicted at 10:00:00, running at 10:00:36: four saves, in the order and with the words of the table."""
    azure, saves = new_azure(), Saves()
    azure.add_vm("vm-1")
    azure.storage.pools.written, azure.storage.recoveries.written = saves.pool, saves.recovery
    azure.world.evict("vm-1")
    azure.run_until(at("10:05"))
    written = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))[2:]
        for line in CONTRIBUTING.read_text(encoding="utf-8").splitlines()
        if line.startswith("| 10:00:")
    ]
    assert saves.lines == written
