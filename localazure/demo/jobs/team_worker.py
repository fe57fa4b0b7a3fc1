"""The worker on a VM of the team whose jobs they are: its command, with the team's code on the VM's disk."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localazure.demo.jobs import hash_chain
from localazure.guests.guest import Command

if TYPE_CHECKING:
    from localazure.guests.guest import Place

_JOB_FILE: Final = Path(hash_chain.__file__)


@dataclass(frozen=True, slots=True)
class OwnFunction:
    """A function of whoever tries the laptop: ``MODULE:FUNCTION``, in this folder, with the libraries of ``.venv``."""

    name: str
    folder: Path


def team_worker(place: Place, queue: str, *options: str, own: OwnFunction | None = None) -> Command:
    """Give the command of a worker of a queue with two slots, and lay the team's code onto the VM's disk.

    ``own``: in place of the team's; its folder is read where it is, so a change counts from the next boot on.
    """
    shutil.copy(_JOB_FILE, place.disk)
    function = own.name if own else f"{_JOB_FILE.stem}:{hash_chain.work.__name__}"
    # All is quicker here than in Azure: the lease that a killed worker leaves behind, and the checkpoints.
    pace = ("--slots", "2", "--visibility", "9", "--checkpoint-interval", "1")
    places = ("--imds", place.imds, "--state", str(place.disk / "worker"))
    arguments = ("-m", "spot_worker", "run", function, "--queue", queue, *pace, *places, *options)
    code = {"PYTHONPATH": str(own.folder)} if own else {}
    return Command((sys.executable, *arguments), {"AZURE_STORAGE_CONNECTION_STRING": place.work} | code)
