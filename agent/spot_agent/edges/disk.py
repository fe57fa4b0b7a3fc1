"""The state folder: what must outlive the process, written so that a power loss at any point leaves it readable.

``state.json`` is replaced whole; ``history.jsonl`` is appended to, and may end in half a line. ``ended`` is there only
after an ending in order: it is removed when a run begins, which works on a full disk too. ``alive.json`` is rewritten
each 10 seconds, for ``status`` and for "down since". It and ``state.json`` hold no secret, and every user may
read them: workers do, so that they need not ask the metadata service themselves.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from spot_agent.deciding.actions import Record
from spot_agent.deciding.state import State, UnreadableStateError, read_state, write_state
from spot_agent.deciding.times import iso, read_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

_RESERVE_BYTES: Final = 256 * 1024
"""Given up when the disk is full, so that the state can still be written."""
_HISTORY_BYTES: Final = 4 * 1024 * 1024
"""A longer history is put aside; one older file is kept."""


_FOR_ALL: Final = 0o644
"""Whatever the umask: the installed agent's keeps all else to itself."""


class StateInUseError(Exception):
    """Another agent runs with this state folder."""


@dataclass(frozen=True)
class Found:
    """What the run before left. ``is_state_lost``: there was a state, and it cannot be read."""

    previous: State | None
    alive_at: datetime | None
    was_clean: bool
    is_state_lost: bool


class StateFolder:
    """The folder. ``complain`` is told once when writing begins to fail, and once when it works again."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        """Nothing is read or written yet."""
        self.folder = folder
        self._say = say
        self._trouble = ""
        self._lock: int | None = None

    def begin(self) -> Found:
        """Take the folder, and read what is there. Raises ``StateInUseError``, or ``OSError`` if it cannot be used."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        was_used = (self.folder / "lock").exists()
        self._take()
        found = self._read(was_used=was_used)
        (self.folder / "ended").unlink(missing_ok=True)
        self._try(self._prepare)
        return found

    def save(self, state: State) -> bool:
        """Put the state on disk."""
        return self._try(lambda: self._replace(self.folder / "state.json", write_state(state)))

    def record(self, line: Record) -> None:
        """Add a line to the history."""
        written = json.dumps(record_as_json(line)) + "\n"

        def write() -> None:
            self._put_history_aside()
            _append(self.folder / "history.jsonl", written)

        self._try(write)

    def end(self) -> None:
        """Write down that this run ended in order."""
        self._try(lambda: self._replace(self.folder / "ended", "in order\n"))

    def still_alive(self, now: datetime, facts: Mapping[str, Any]) -> None:
        """Write down that we live. Not waited for: after a power loss it may be some seconds older."""

        def write() -> None:
            new = self.folder / "alive.json.new"
            new.write_text(json.dumps({"at": iso(now), **facts}), "utf-8")
            new.chmod(_FOR_ALL)
            new.replace(self.folder / "alive.json")

        self._try(write)

    def _take(self) -> None:
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            message = f"another agent runs with the state folder {self.folder}: end it, or give another --state"
            raise StateInUseError(message) from error

    def _read(self, *, was_used: bool) -> Found:
        previous, is_lost = None, False
        try:
            previous = read_state((self.folder / "state.json").read_text("utf-8"))
        except FileNotFoundError:
            is_lost = was_used
            if is_lost:
                self._say(f"{self.folder} was used before, but has no state.json: the work is recovered once")
        except (OSError, UnicodeDecodeError, UnreadableStateError) as error:
            is_lost = True
            self._say(f"the state of the run before cannot be read, it is copied to state.json.unreadable: {error}")
            # It stays in place until a new one is written: a crash before that must not look like a first run.
            with suppress(OSError):
                shutil.copyfile(self.folder / "state.json", self.folder / "state.json.unreadable")
        alive = read_alive(self.folder)
        alive_at = read_time(alive["at"]) if alive else None
        return Found(previous, alive_at, (self.folder / "ended").exists(), is_lost)

    def _prepare(self) -> None:
        self._put_history_aside()
        history = self.folder / "history.jsonl"
        if history.exists() and not _ends_with_a_line(history):
            _append(history, "\n")
        reserve = self.folder / "reserve"
        if not reserve.exists():
            reserve.write_bytes(b"\0" * _RESERVE_BYTES)

    def _put_history_aside(self) -> None:
        history = self.folder / "history.jsonl"
        if history.exists() and history.stat().st_size > _HISTORY_BYTES:
            history.replace(self.folder / "history.1.jsonl")

    def _replace(self, file: Path, text: str) -> None:
        """Put a whole new file in place of the old one."""
        new = file.with_name(file.name + ".new")
        with new.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fchmod(stream.fileno(), _FOR_ALL)
            os.fsync(stream.fileno())
        new.replace(file)
        handle = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _try(self, write: Callable[[], None]) -> bool:
        """Write; on a full disk give up the reserve, and try once more. What fails is said, and we go on."""
        try:
            write()
        except OSError:
            with suppress(OSError):
                (self.folder / "reserve").unlink(missing_ok=True)
            try:
                write()
            except OSError as error:
                self._note_trouble(f"{self.folder} cannot be written: {error.strerror}. We go on; after a crash now, ")
                return False
        self._note_trouble("")
        return True

    def _note_trouble(self, trouble: str) -> None:
        if trouble and not self._trouble:
            self._say(trouble + "what was done may be done again")
        elif self._trouble and not trouble:
            self._say(f"{self.folder} can be written again")
        self._trouble = trouble


def record_as_json(line: Record) -> dict[str, str]:
    """Give a line of the history as ``history --json`` prints it; the time is in UTC."""
    return {
        "at": iso(line.at),
        "event_id": line.event_id,
        "event_type": line.event_type,
        "status": line.status,
        "phase": line.phase,
        "outcome": line.outcome,
    }


def read_history(folder: Path) -> tuple[Record, ...]:
    """Read the history, the oldest line first. Half a line, as a power loss leaves it, is left out."""
    lines: list[Record] = []
    for name in ("history.1.jsonl", "history.jsonl"):
        try:
            text = (folder / name).read_text("utf-8", errors="replace")
        except FileNotFoundError:
            continue
        for line in text.splitlines():
            try:
                written = json.loads(line)
                lines.append(Record(**{**written, "at": read_time(written["at"])}))
            except (ValueError, KeyError, TypeError):  # half a line hides no other
                continue
    return tuple(lines)


def is_in_use(folder: Path) -> bool:
    """Whether an agent runs with this state folder. Raises ``OSError`` if we may not look."""
    try:
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def read_alive(folder: Path) -> dict[str, Any] | None:
    """Read when the agent last said that it lives, and what it said of itself; ``None`` if it never did."""
    try:
        written = json.loads((folder / "alive.json").read_text("utf-8"))
        read_time(written["at"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return dict(written)


def _append(file: Path, text: str) -> None:
    """Add to a file; through no link, which somebody else may have put in its place."""
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "a", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def _ends_with_a_line(file: Path) -> bool:
    with file.open("rb") as stream:
        if stream.seek(0, os.SEEK_END) == 0:
            return True
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"
