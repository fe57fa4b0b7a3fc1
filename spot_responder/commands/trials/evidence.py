"""The files in which a trial or a watch leaves what it found; nothing of it is sent anywhere.

Each run has files of its own, named by when it began. They are created before anything else is, so that a folder that
cannot be written is found out before something is paid for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.terminal.results import StopError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

_STAMP: Final = "%Y-%m-%d-%H%M%S"
NOT_WRITTEN: Final = "it was ended before it wrote what it found"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The files of one run: ``data`` for programs, ``page`` for people."""

    data: Path
    page: Path

    def write(self, data: object, page: str) -> None:
        """Write what was found.

        Raises:
            OSError: if the disk takes no more.
        """
        write_whole(self.data, as_json(data))
        write_whole(self.page, page)


def begin_evidence(folder: Path, kind: str, began: datetime, *, on_laptop: bool) -> Evidence:
    """Create the files of a run: ``trial-2030-01-02-101500.json``, of one in the laptop Azure ``trial-laptop-…``.

    Raises:
        StopError: if the folder cannot be written.
    """
    where = "laptop-" if on_laptop else ""
    heading = f"{kind.capitalize()} that began on {began:%Y-%m-%d at %H:%M:%S} UTC: {NOT_WRITTEN}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        while (folder / f"{kind}-{where}{began:{_STAMP}}.json").exists():
            # Another run began in the same second.
            began += timedelta(seconds=1)
        name = f"{kind}-{where}{began:{_STAMP}}"
        evidence = Evidence(folder / f"{name}.json", folder / f"{name}.md")
        write_whole(evidence.data, as_json({"heading": heading, "laptop": on_laptop, "unfinished": True}))
        write_whole(evidence.page, f"# {heading}\n")
    except OSError as error:
        message = f"the evidence cannot be written: {error}; give another folder, --out FOLDER. Nothing was created"
        raise StopError(message) from error
    return evidence


def write_whole(path: Path, text: str) -> None:
    r"""Write a file beside its place, then put it there: whole or not at all, and for its owner only to read.

    Azure's answers may have half a character, which no file can have: it is written as ``\ud800``.

    Raises:
        OSError: if the disk takes it not.
    """
    beside = path.with_name(f"{path.name}.part")
    beside.unlink(missing_ok=True)
    beside.touch(mode=0o600)
    try:
        beside.write_text(text, encoding="utf-8", errors="backslashreplace")
        beside.replace(path)
    except OSError:
        # A full disk is not to be kept full by half a file.
        beside.unlink(missing_ok=True)
        raise


def as_json(content: object) -> str:
    """Write JSON as people can read it too."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
