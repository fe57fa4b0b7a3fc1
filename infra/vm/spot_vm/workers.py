"""The worker of a work package: its settings, its code, and how it takes what is new."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spot_vm.pinned import forget_old
from spot_vm.system import InstallError, call, link, write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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
    except (ValueError, TypeError, KeyError) as error:
        message = f"the settings of the worker cannot be read: {error!r}"
        raise InstallError(message) from error
    if not _QUEUE.fullmatch(worker.queue):
        message = f"{worker.queue[:80]!r} cannot be the name of a queue"
        raise InstallError(message)
    if not worker.environment().replace("\n", "").isprintable() or worker.environment().count("\n") != len("FQAO"):
        message = "the settings of the worker hold a line break or a character that cannot be printed"
        raise InstallError(message)
    return worker


def take_work(places: Places, work: Path) -> str:
    """Put the work package in its place; say which it is: its folder is named by its content."""
    folder = places.home / "works" / work.name
    if not folder.exists():
        new = folder.with_suffix(".new")
        if new.exists():
            shutil.rmtree(new)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(work, new)
        for path in (new, *new.rglob("*")):
            # However its packer's umask was: the worker runs as a user of its own.
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
        os.sync()
        new.rename(folder)
    link(places.work, folder)
    return work.name


def start(places: Places, queue: str, wanted: Mapping[str, str]) -> str:
    """Let the running worker take what is new, and only then note what it has taken; say how."""
    service, noted = f"spot-worker@{queue}", places.started(queue)
    had = json.loads(noted.read_text("utf-8")) if noted.exists() else {}
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
