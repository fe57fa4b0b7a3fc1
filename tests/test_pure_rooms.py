"""Which rooms are pure is said in two places: to coverage and to import-linter. They say the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def test_the_rooms_that_import_nothing_impure_are_those_that_are_covered_whole() -> None:
    """A room that is added to one list and not to the other would be pure by name only."""
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    (covered,) = re.findall(r"^PURE_ROOMS := (.+)$", makefile, re.MULTILINE)
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (pure,) = [each for each in contracts["contracts"] if each["name"].startswith("The pure rooms know no Azure")]
    assert sorted(covered.split()) == sorted(room.removeprefix("spot_responder.") for room in pure["source_modules"])
