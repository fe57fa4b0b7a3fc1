"""The record on disk of what trials have created: written before each creation, so that any later run can take it away.

One line is one object of JSON: ``created``, ``answered`` or ``gone``, with the ARM id. A creation that got no answer
may come to be after ARM has said that there is nothing: so any later run knows which ones were answered. A line that
was cut off by a crash is the last one, and nothing was created for it yet. What was created in Azure and what in the
laptop Azure stands in two journals: the one knows nothing of the other's resources, and says of each that it is gone.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOURNAL: Final = "trial-journal.jsonl"
LAPTOP_JOURNAL: Final = "trial-laptop-journal.jsonl"
_ID: Final = re.compile(r"/subscriptions/[^/]+/.+", re.IGNORECASE)
_BEGINNINGS: Final = (b'{"created": "', b'{"answered": "', b'{"gone": "')


class UnreadableJournalError(Exception):
    """The journal cannot be read: what it lists might never be taken away, so nothing is begun."""


class UnwritableJournalError(Exception):
    """The journal cannot be written: nothing could be taken away by it, so nothing is begun."""


class AnotherTrialError(Exception):
    """Another trial writes into this journal now."""


@dataclass(frozen=True, slots=True)
class Made:
    """A resource that a trial has created, or was about to. ``run``: the id of that trial."""

    resource_id: str
    api_version: str
    run: str

    @property
    def subscription(self) -> str:
        """The id of the subscription that it is in, in lower case."""
        return self.resource_id.split("/")[2].lower()


@dataclass(frozen=True, slots=True)
class Answered:
    """A resource whose creation Azure has answered, by its id: it is there now, or never will be."""

    resource_id: str


@dataclass(frozen=True, slots=True)
class Gone:
    """A resource that is gone, by its id."""

    resource_id: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A resource whose creation Azure has answered, by its id."""

    resource_id: str


@dataclass(frozen=True, slots=True)
class Listed:
    """What a journal lists. ``damaged``: of each line that cannot be read, where it is and what is wrong with it.

    ``unanswered``: what was asked for and got no answer, by its id in lower case.
    """

    remains: list[Made]
    """What was created and is not known to be gone, in the order of its creation."""
    damaged: list[str]
    unanswered: frozenset[str]


@dataclass(slots=True)
class Journal:
    """An open journal, which belongs to this process alone.

    What this process knows of it is kept in memory as well: a file that somebody deletes meanwhile is written anew, and
    a disk that is full does not stop a removal. ``lock``: the open file. ``problem``: why a line could not be written.
    ``unanswered``: as in ``Listed``.
    """

    path: Path
    lock: BinaryIO
    problem: str = ""
    unanswered: set[str] = field(default_factory=set)
    _made: dict[str, Made] = field(default_factory=dict)
    _gone: set[str] = field(default_factory=set)

    def note(self, made: Made) -> None:
        """Write down that a resource is about to be created; on the disk when this returns.

        Raises:
            OSError: if the disk takes it not; then nothing may be created.
        """
        key = made.resource_id.lower()
        known, was_gone = self._made.get(key), key in self._gone
        self._made[key] = made
        self.unanswered.add(key)
        self._gone.discard(key)
        try:
            self._write(_line_of(made))
            self.unanswered.add(key)
        except OSError:
            if known is None:
                del self._made[key]
            if was_gone:
                self._gone.add(key)
            raise

    def confirm(self, resource_id: str) -> None:
        """Write down that Azure has answered, and created it; unwritten, a later run only looks for it the longer."""
        self.unanswered.discard(resource_id.lower())
        with suppress(OSError):
            self._write({"answered": resource_id})

    def forget(self, resource_id: str) -> None:
        """Write down that a resource is gone; where the disk does not take it, that is known to this process only."""
        self._made.pop(resource_id.lower(), None)
        self._gone.add(resource_id.lower())
        self.unanswered.discard(resource_id.lower())
        try:
            self._write({"gone": resource_id})
        except OSError as error:
            self.problem = f"{self.path} could not be written ({error}): it still lists what is gone"

    def listed(self) -> Listed:
        """Give what is listed, by all lines and by what this process knows; a line that is damaged hides no other."""
        found: dict[str, Made] = {}
        unanswered: set[str] = set()
        damaged: list[str] = []
        lines = self._bytes().split(b"\n")
        for number, line in enumerate(lines, 1):
            if not line.strip() or (number == len(lines) and _is_cut_off(line)):
                continue
            match _entry(line):
                case Made() as made:
                    found[made.resource_id.lower()] = made
                    unanswered.add(made.resource_id.lower())
                case Confirmed(resource_id):
                    unanswered.discard(resource_id.lower())
                case Gone(resource_id):
                    found.pop(resource_id.lower(), None)
                case problem:
                    damaged.append(f"{self.path}, line {number}: {problem}")
        # What the file could not be told, or tells no more.
        found |= {key: made for key, made in self._made.items() if key not in found}
        remains = {key: made for key, made in found.items() if key not in self._gone}
        return Listed(list(remains.values()), damaged, frozenset(unanswered & remains.keys()))

    def remains(self) -> list[Made]:
        """Give what was created and is not known to be gone, in the order of its creation."""
        return self.listed().remains

    def learn(self) -> None:
        """Keep in memory what the file lists: it may be deleted."""
        listed = self.listed()
        self._made = {made.resource_id.lower(): made for made in listed.remains}
        self.unanswered = set(listed.unanswered)

    def keep(self) -> None:
        """Write the file anew if somebody deleted it, and something is left.

        Raises:
            OSError: if it cannot be written.
        """
        if not self._made or self._is_there():
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write(b"".join(_bytes_of(_line_of(made)) for made in self._made.values()))
            answered = [made for key, made in self._made.items() if key not in self.unanswered]
            file.write(b"".join(_bytes_of({"answered": made.resource_id}) for made in answered))
            file.flush()
            os.fsync(file.fileno())
        self.lock.close()
        self.lock = self.path.open("ab")
        with suppress(BlockingIOError):
            # Another trial may have begun without the file: what is left is to be listed all the same.
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _write(self, line: dict[str, str]) -> None:
        self.keep()
        with self.path.open("ab+") as file:
            _end_last_line(file.fileno(), self.path)
            file.write(_bytes_of(line))
            file.flush()
            os.fsync(file.fileno())

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self.lock.fileno()))
        except OSError:
            return False

    def _bytes(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""


@contextmanager
def open_journal(folder: Path, name: str = JOURNAL) -> Iterator[Journal]:
    """Open a journal of a folder, for one process at a time.

    Raises:
        AnotherTrialError: if another trial has it open.
        UnwritableJournalError: if it cannot be opened.
    """
    path = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError as error:
        message = (
            f"the record of what a trial creates cannot be written: {error}; give another folder, --out FOLDER. "
            "Nothing was begun"
        )
        raise UnwritableJournalError(message) from error
    journal = Journal(path, file)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"another trial is running ({path} is in use): wait for its end, or end it"
            raise AnotherTrialError(message) from None
        journal.learn()
        yield journal
        journal.keep()
    finally:
        journal.lock.close()


def _line_of(made: Made) -> dict[str, str]:
    return {"created": made.resource_id, "version": made.api_version, "run": made.run}


def _bytes_of(line: dict[str, str]) -> bytes:
    return json.dumps(line).encode() + b"\n"


def _entry(line: bytes) -> Made | Confirmed | Gone | str:
    """Read one line; say what is wrong where it is none of ours."""
    read = _json(line)
    if read is None:
        return "it is no JSON"
    if not isinstance(read, dict) or len(read.keys() & {"created", "answered", "gone"}) != 1:
        return 'it is no object with one of "created", "answered" and "gone"'
    if "gone" in read:
        gone = read["gone"]
        return Gone(gone) if isinstance(gone, str) else '"gone" is no text'
    if "answered" in read:
        answered = read["answered"]
        return Confirmed(answered) if isinstance(answered, str) else '"answered" is no text'
    words = [read.get(name) for name in ("created", "version", "run")]
    texts = [word for word in words if isinstance(word, str)]
    if len(texts) < len(words) or not _ID.fullmatch(texts[0]):
        return 'it lacks one of "created" (an id of ARM), "version" and "run"'
    return Made(*texts)


def _json(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _is_cut_off(line: bytes) -> bool:
    """Whether a last line, which has no end, is the beginning of one of ours: a crash has cut it off."""
    begins = any(line.startswith(each) or each.startswith(line) for each in _BEGINNINGS)
    return begins and _json(line) is None


def _end_last_line(descriptor: int, path: Path) -> None:
    """End a last line that has no end, or the next one would be damaged too; take back what a crash left of one."""
    whole = path.read_bytes()
    begin = whole.rfind(b"\n") + 1
    last = whole[begin:]
    if not last:
        return
    if _is_cut_off(last):
        os.ftruncate(descriptor, begin)
    else:
        os.write(descriptor, b"\n")
