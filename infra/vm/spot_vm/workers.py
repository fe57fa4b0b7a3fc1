"""The worker of a work package: its settings, its code, and how it takes what is new."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spot_vm.pinned import forget_old
from spot_vm.system import InstallError, call, half, link, write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spot_vm.places import Places

_QUEUE: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


@dataclass(frozen=True)
class Worker:
    """A worker of a queue: what becomes ``/etc/spot-worker/QUEUE.env``."""

    queue: str
    function: str
    account: str
    options: str
    agents_queue: str
    """The address of the responder's queue ``agents``; empty where there is no responder."""

    def environment(self) -> str:
        """Give the file that the unit reads."""
        values = {
            "FUNCTION": self.function,
            "QUEUE": self.queue,
            "AZURE_STORAGE_ACCOUNT": self.account,
            "OPTIONS": self.options,
        }
        return "".join(f"{name}={value}\n" for name, value in values.items())


def read_worker(text: str) -> Worker:
    """Read the settings of a worker. Raises ``InstallError``."""
    try:
        given = json.loads(text)
        worker = Worker(*(str(given[name]) for name in ("queue", "function", "account", "options", "agentsQueue")))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        message = f"the settings of the worker cannot be read: {error!r}"
        raise InstallError(message) from error
    if not _QUEUE.fullmatch(worker.queue):
        message = f"{worker.queue[:80]!r} cannot be the name of a queue"
        raise InstallError(message)
    if not worker.environment().replace("\n", "").isprintable() or worker.environment().count("\n") != len("FQAO"):
        message = "the settings of the worker hold a line break or a character that cannot be printed"
        raise InstallError(message)
    return worker


def copy_work(places: Places, work: Path) -> Path:
    """Copy the work package to where it is used; its folder is named by its content. Raises ``InstallError``."""
    folder = places.home / "works" / work.name
    if folder.exists():
        return folder
    if not work.is_dir():
        message = f"{work} is no folder: give the one of the unpacked work package"
        raise InstallError(message)
    new = half(folder)
    if new.exists():
        shutil.rmtree(new)
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copytree(work, new, symlinks=True)
        for path in (new, *sorted(new.rglob("*"))):
            if path.is_symlink():
                _check_link(path, new, work)
            else:
                # However its packer's umask was: the worker runs as a user of its own.
                path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    os.sync()
    new.rename(folder)
    return folder


def _check_link(path: Path, new: Path, work: Path) -> None:
    """Refuse a link that leads nowhere, or out of the package: what is there was not packed, or is soon gone."""
    real, whole = Path(os.path.realpath(path)), Path(os.path.realpath(new))
    if not real.exists() or whole not in (real, *real.parents):
        name, target = work / path.relative_to(new), path.readlink()
        message = (
            f"{name} is a link to {target}, which is not in the work package: "
            "take it out of the package, or put in what it leads to, and deploy that"
        )
        raise InstallError(message)


def doubt(places: Places, wanted: Mapping[str, str], queue: str = "") -> None:
    """Take out of the notes of what workers have what is about to be another; first of a new worker, make its note.

    Whoever is killed from now on leaves a note that claims nothing of it, so the next one tells the worker again.
    """
    notes = {*places.home.glob("started-*.json"), *([places.started(queue)] if queue else [])}
    for noted in sorted(notes):
        kept = {name: had for name, had in _read_note(noted).items() if wanted.get(name, had) == had}
        write(noted, json.dumps(kept))


def _read_note(noted: Path) -> dict[str, str]:
    try:
        had = json.loads(noted.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return had if isinstance(had, dict) else {}


def end_others(places: Places, queue: str) -> tuple[str, ...]:
    """End the workers of queues that were applied before; say which. The note last, by which it is known to be ours."""
    ended = []
    for noted in sorted(places.home.glob("started-*.json")):
        other = noted.stem.partition("-")[2]
        if other != queue:
            call("systemctl", "disable", "--now", f"spot-worker@{other}")
            settings = places.settings / f"{other}.env"
            for file in (settings, half(settings)):
                file.unlink(missing_ok=True)
            noted.unlink()
            ended.append(f"spot-worker@{other} is ended, since its queue is not wanted any more")
    return tuple(ended)


def start(places: Places, queue: str, wanted: Mapping[str, str]) -> str:
    """Let the running worker take what is new, and only then note what it has taken; say how."""
    service, noted = f"spot-worker@{queue}", places.started(queue)
    had = _read_note(noted)
    call("systemctl", "enable", service)
    if {**had, "work": ""} != {**wanted, "work": ""}:
        call("systemctl", "restart", service)
        how = f"{service} is started anew: the jobs under way are given back, and go on from where they were saved"
    elif had != wanted:
        call("systemctl", "reload-or-restart", service)
        how = f"{service} takes the new code in when its jobs under way are over"
    else:
        call("systemctl", "start", service)
        how = f"{service} runs as before"
    write(noted, json.dumps(wanted))
    forget_old(places.work)
    return how


def use_work(places: Places, worker: Worker, folder: Path) -> None:
    """Let workers that start from now on be of this work package and these settings."""
    link(places.work, folder)
    write(places.settings / f"{worker.queue}.env", worker.environment())
