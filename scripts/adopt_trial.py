"""``make adopt TRIAL=FILE``: turns the evidence of a trial in Azure into fixtures, and marks the beliefs.

Events and answers go to ``tests/payloads/trials``, where ``tests/trial/test_adopted.py`` holds the app and the laptop
Azure against them; the verdicts go into the table of docs/azure-assumptions.md §12. Everything is read and checked
before anything is written, and either both are written or none.
"""

from __future__ import annotations

import json
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from spot_responder.text import shortened

REPOSITORY: Final = Path(__file__).resolve().parents[1]
PAGE: Final = REPOSITORY / "docs" / "azure-assumptions.md"
FIXTURES: Final = REPOSITORY / "tests" / "payloads" / "trials"
NOT_SEEN: Final = "not-seen"
VERDICTS: Final = ("holds", "does-not-hold", NOT_SEEN)
CHECKED: Final = "checked: "
_NAME: Final = re.compile(r"trial-(\d{4}-\d{2}-\d{2})-\d{6}\.json")
_BELIEF: Final = re.compile(r"[A-Z]\d{1,3}")
_LONGEST: Final = 100
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_ROW: Final = re.compile(r"^\| (?P<belief>[A-Z]\d+) \| (?P<how>[^|]*) \| (?P<trial>[^|]*) \|$", re.MULTILINE)


class NotAdoptedError(Exception):
    """It cannot be adopted, and nothing was written; the message says why."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """A trial that was read and checked. ``day``: when it began; ``verdicts``: by the beliefs."""

    name: str
    day: str
    evidence: dict[str, Any]
    verdicts: dict[str, str]


def read_evidence(file: Path) -> Adopted:
    """Read the evidence of a trial.

    Raises:
        NotAdoptedError: if it is none, is damaged, or of the laptop Azure.
    """
    try:
        evidence = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        message = f"{file} cannot be read: {error}"
        raise NotAdoptedError(message) from error
    if not isinstance(evidence, dict):
        message = f"{file} is no evidence of a trial: give a trial-<date>-<time>.json"
        raise NotAdoptedError(message)
    if evidence.get("laptop") is not False:
        message = f"{file} is of a trial in the laptop Azure, which says nothing about Azure, or of none at all"
        raise NotAdoptedError(message)
    name = _NAME.fullmatch(file.name)
    if name is None or not _is_day(name[1]):
        message = f"{file} is not called trial-<date>-<time>.json, by which its day is known: give it its name again"
        raise NotAdoptedError(message)
    problem = _problem(evidence)
    if problem:
        message = f"{file} is no evidence of a trial: {problem}"
        raise NotAdoptedError(message)
    return Adopted(file.name, name[1], evidence, {each["belief"]: each["verdict"] for each in evidence["beliefs"]})


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _problem(evidence: dict[str, Any]) -> str:
    """Say what is wrong with the parts that are used later; ``""``: nothing."""
    if "beliefs" not in evidence and evidence.get("unfinished"):
        return "the trial was ended before it wrote what it found"
    for name, kind, called in (("beliefs", list, "list"), ("events", list, "list"), ("answers", dict, "object")):
        if not isinstance(evidence.get(name), kind):
            return f"{name!r} is missing, or no {called}"
    return (
        _problem_of_beliefs(evidence["beliefs"])
        or _problem_of_events(evidence["events"])
        or _problem_of_answers(evidence["answers"])
    )


def _problem_of_beliefs(beliefs: list[Any]) -> str:
    if not beliefs:
        return "'beliefs' is empty"
    seen: set[str] = set()
    for number, each in enumerate(beliefs, 1):
        belief, verdict = (each.get("belief"), each.get("verdict")) if isinstance(each, dict) else (None, None)
        if not isinstance(belief, str) or not _BELIEF.fullmatch(belief) or verdict not in VERDICTS:
            return f"entry {number} of 'beliefs' names no belief, or no verdict of {', '.join(VERDICTS)}"
        if belief in seen:
            return f"'beliefs' has {belief} twice"
        seen.add(belief)
    return ""


def _problem_of_events(events: list[Any]) -> str:
    for number, each in enumerate(events, 1):
        if not isinstance(each, dict) or not isinstance(each.get("event"), dict):
            return f"entry {number} of 'events' has no event"
    return ""


def _problem_of_answers(answers: dict[str, Any]) -> str:
    for name, given in answers.items():
        listed = given if isinstance(given, list) else []
        if not listed or not all(map(_is_answer, listed)):
            called = shortened(name, _LONGEST)
            return f"the answers to {called!r} are no list of answers with 'body' and a number as 'status'"
    return ""


def _is_answer(one: object) -> bool:
    return isinstance(one, dict) and isinstance(one.get("status"), int) and "body" in one


def marked(page: str, day: str, verdicts: dict[str, str]) -> str:
    """Write the verdicts of a trial into the table; what it did not see, or a later one saw, stays as it was.

    Raises:
        NotAdoptedError: if the table does not have one of the beliefs, or by it no trial can have seen that one.
    """
    how = {match["belief"]: match["how"] for match in _ROW.finditer(page)}
    unknown = sorted(set(verdicts) - set(how))
    if unknown:
        message = (
            f"the table in §12 of docs/azure-assumptions.md has no row of {shortened(', '.join(unknown), _LONGEST)}: "
            "the trial was run by another version; adopt it with that one"
        )
        raise NotAdoptedError(message)
    unseeable = sorted(each for each, verdict in verdicts.items() if verdict != NOT_SEEN and CHECKED not in how[each])
    if unseeable:
        message = (
            f"{shortened(', '.join(unseeable), _LONGEST)} is not checked by a trial, says the table in §12 of "
            f"docs/azure-assumptions.md, so its verdict can only be {NOT_SEEN}: "
            "the file was changed, or the trial was run by another version"
        )
        raise NotAdoptedError(message)

    def row(match: re.Match[str]) -> str:
        verdict = verdicts.get(match["belief"], NOT_SEEN)
        seen_on = max(_DAY.findall(match["trial"]), default="")
        trial = match["trial"] if verdict == NOT_SEEN or day < seen_on else f"{verdict}, {day}"
        return f"| {match['belief']} | {match['how']} | {trial} |"

    return _ROW.sub(row, page)


def adopt(file: Path, fixtures: Path, page: Path) -> Path:
    """Make a fixture of the evidence of a trial, and mark the page; give the fixture.

    Raises:
        NotAdoptedError: if the file is no evidence about Azure, or not both can be written.
    """
    read = read_evidence(file)
    target = fixtures / read.name
    fixture = _as_json(read.evidence)
    try:
        if target.exists() and target.read_text(encoding="utf-8") != fixture:
            message = f"{target} is there already, of another trial: take that one away first, if this one is meant"
            raise NotAdoptedError(message)
        text = marked(page.read_text(encoding="utf-8"), read.day, read.verdicts)
        _write_all({target: fixture, page: text})
    except (OSError, ValueError) as error:
        message = f"{file} was not adopted, and nothing was changed: {error}"
        raise NotAdoptedError(message) from error
    return target


def _as_json(evidence: dict[str, Any]) -> str:
    r"""Write JSON as people can read it too; half a character, which no file can have, as ``\ud800``."""
    written = json.dumps(evidence, indent=2, ensure_ascii=False) + "\n"
    return written.encode(errors="backslashreplace").decode()


def _write_all(texts: dict[Path, str]) -> None:
    """Write all files or none: first beside them, then each into its place; back again where one cannot be."""
    before = {path: path.read_bytes() if path.exists() else None for path in texts}
    beside = {path: path.with_name(f".{path.name}.new") for path in texts}
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            beside[path].write_text(text, encoding="utf-8")
        for path, new in beside.items():
            new.replace(path)
    except OSError:
        for path, old in before.items():
            if old is None:
                path.unlink(missing_ok=True)
            elif path.read_bytes() != old:
                path.write_bytes(old)
        raise
    finally:
        for new in beside.values():
            with suppress(OSError):
                new.unlink()


def main(words: list[str]) -> int:
    """Adopt a trial; give the exit code."""
    if len(words) != 1:
        sys.stderr.write("adopt: usage: make adopt TRIAL=.local/trial-<date>-<time>.json\n")
        return 1
    try:
        target = adopt(Path(words[0]), FIXTURES, PAGE)
    except NotAdoptedError as error:
        sys.stderr.write(f"adopt: {error}\n")
        return 1
    sys.stdout.write(f"{target.relative_to(REPOSITORY)}\n{PAGE.relative_to(REPOSITORY)} §12\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
