"""The figures as ``bench.json`` and as lines."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Target:
    """One figure held against its target; ``target`` is in words, as in the issue that set it."""

    figure: str
    value: float | None
    target: str
    met: bool


def at_most(figure: str, value: float | None, limit: float, unit: str = "") -> Target:
    """Hold a figure against the most that it may be."""
    return Target(figure, value, f"≤ {limit:g}{unit}", met=value is not None and value <= limit)


def at_least(figure: str, value: float | None, limit: float, unit: str = "") -> Target:
    """Hold a figure against the least that it may be."""
    return Target(figure, value, f"≥ {limit:g}{unit}", met=value is not None and value >= limit)


def write(path: Path, machine: dict[str, object], figures: dict[str, Any], targets: list[Target]) -> None:
    """Write ``bench.json``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {"machine": machine, "figures": figures, "targets": [asdict(target) for target in targets]}
    path.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def heading(machine: dict[str, object]) -> str:
    """Say what machine this is, and head the columns of ``rows``."""
    where = ", ".join(f"{name} {value}" for name, value in machine.items())
    return f"{where}\n\n{'figure':<78}{'value':>10}   {'target':<12}\n"


def rows(targets: list[Target]) -> str:
    """Make a line of each target."""
    lines = []
    for target in targets:
        value = "-" if target.value is None else f"{target.value:,.2f}".removesuffix(".00")
        lines.append(f"{target.figure:<78}{value:>10}   {target.target:<12}{'met' if target.met else 'NOT MET'}\n")
    return "".join(lines)
