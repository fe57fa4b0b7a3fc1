"""The record on disk of what trials have created: written before each creation, so that any later run can take it away.

One line is one word of JSON: ``created`` or ``gone``, with the ARM id. A line that was cut off by a crash is the last
one, and nothing was created for it yet.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOURNAL: Final = "trial-journal.jsonl"


class UnreadableJournalError(Exception):
    """The journal cannot be read: what it lists might never be taken away, so nothing is begun."""


class AnotherTrialError(Exception):
    """Another trial writes into this journal now."""


@dataclass(frozen=True, slots=True)
class Made:
    """A resource that a trial has created, or was about to. ``run``: the id of that trial."""

    resource_id: str
    api_version: str
    run: str


@dataclass(frozen=True, slots=True)
class Journal:
    """An open journal, which belongs to this process alone."""

    path: Path

    def note(self, made: Made) -> None:
        """Write down that a resource is about to be created; on the disk when this returns."""
        self._write({"created": made.resource_id, "version": made.api_version, "run": made.run})

    def forget(self, resource_id: str) -> None:
        """Write down that a resource is gone."""
        self._write({"gone": resource_id})

    def remains(self) -> list[Made]:
        """Give what was created and is not known to be gone, in the order of its creation."""
        found: dict[str, Made] = {}
        lines = self.path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, 1):
            try:
                read = json.loads(line) if line.strip() else {}
            except ValueError as error:
                if number == len(lines):
                    break
                message = f"{self.path}, line {number} is damaged: mend it or take it out, and look for that resource"
                raise UnreadableJournalError(message) from error
            if "created" in read:
                made = Made(str(read["created"]), str(read["version"]), str(read["run"]))
                found[made.resource_id.lower()] = made
            if "gone" in read:
                found.pop(str(read["gone"]).lower(), None)
        return list(found.values())

    def _write(self, line: dict[str, str]) -> None:
        with self.path.open("ab+") as file:
            # A line that a crash cut off is ended first, or this one would be damaged too.
            file.seek(0, os.SEEK_END)
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    _cut_last_line(file.fileno(), self.path)
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def open_journal(folder: Path) -> Iterator[Journal]:
    """Open the journal of a folder, for one process at a time.

    Raises:
        AnotherTrialError: if another trial has it open.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / JOURNAL
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"another trial is running ({path} is in use): wait for its end, or end it"
            raise AnotherTrialError(message) from None
        yield Journal(path)


def _cut_last_line(descriptor: int, path: Path) -> None:
    """Take back what a crash left of a line."""
    whole = path.read_bytes()
    os.ftruncate(descriptor, whole.rfind(b"\n") + 1)
