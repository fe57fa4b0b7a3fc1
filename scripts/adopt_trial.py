"""``make adopt TRIAL=FILE``: turns the evidence of a trial in Azure into fixtures, and marks the beliefs.

Events and answers go to ``tests/payloads/trials``, where ``tests/trial/test_adopted.py`` holds the app and the laptop
Azure against them; the verdicts go into the table of docs/azure-assumptions.md §12.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

REPOSITORY: Final = Path(__file__).resolve().parents[1]
PAGE: Final = REPOSITORY / "docs" / "azure-assumptions.md"
FIXTURES: Final = REPOSITORY / "tests" / "payloads" / "trials"
_NAME: Final = re.compile(r"trial-(\d{4}-\d{2}-\d{2})\.json")
_ROW: Final = re.compile(r"^\| (?P<belief>[A-Z]\d+) \| (?P<how>[^|]*) \| (?P<trial>[^|]*) \|$", re.MULTILINE)


class NotAdoptedError(Exception):
    """The file is no evidence about Azure; the message says why."""


def read_evidence(file: Path) -> tuple[str, dict[str, Any]]:
    """Read the evidence of a trial; give its day, too.

    Raises:
        NotAdoptedError: if it is none, or of the laptop Azure.
    """
    name = _NAME.fullmatch(file.name)
    try:
        evidence = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"{file} cannot be read: {error}"
        raise NotAdoptedError(message) from error
    if name is None or not isinstance(evidence, dict) or not {"beliefs", "events", "answers"} <= set(evidence):
        message = f"{file} is no evidence of a trial: give a trial-<date>.json"
        raise NotAdoptedError(message)
    if evidence.get("laptop") is not False:
        message = f"{file} is of a trial in the laptop Azure, which says nothing about Azure"
        raise NotAdoptedError(message)
    return name[1], evidence


def marked(page: str, day: str, beliefs: list[dict[str, Any]]) -> str:
    """Write the verdicts of a trial into the table; what it did not see stays as it was."""
    seen = {each["belief"]: each["verdict"] for each in beliefs if each["verdict"] != "not-seen"}

    def row(match: re.Match[str]) -> str:
        verdict = seen.get(match["belief"])
        trial = f"{verdict}, {day}" if verdict else match["trial"]
        return f"| {match['belief']} | {match['how']} | {trial} |"

    return _ROW.sub(row, page)


def adopt(file: Path, fixtures: Path, page: Path) -> Path:
    """Make a fixture of the evidence of a trial, and mark the page; give the fixture.

    Raises:
        NotAdoptedError: if the file is no evidence about Azure.
    """
    day, evidence = read_evidence(file)
    fixtures.mkdir(parents=True, exist_ok=True)
    target = fixtures / f"trial-{day}.json"
    target.write_text(json.dumps(evidence, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    page.write_text(marked(page.read_text(encoding="utf-8"), day, evidence["beliefs"]), encoding="utf-8")
    return target


def main(words: list[str]) -> int:
    """Adopt a trial; give the exit code."""
    try:
        target = adopt(Path(words[0]), FIXTURES, PAGE)
    except (IndexError, NotAdoptedError) as error:
        sys.stderr.write(f"adopt: {error if words else 'usage: make adopt TRIAL=trial-<date>.json'}\n")
        return 1
    sys.stdout.write(f"{target.relative_to(REPOSITORY)}\n{PAGE.relative_to(REPOSITORY)} §12\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
