"""Does with a VM's custom data what cloud-init and systemd do: writes its files, and says what its unit starts.

Called by ``ground.py``, for a guest that is a plain process.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import sys
from typing import TYPE_CHECKING

from localazure.guests.guest import Command

if TYPE_CHECKING:
    from collections.abc import Callable

    from localazure.guests.guest import Place


def begun_by(custom_data: str) -> Callable[[Place], Command]:
    """Give what a VM with this custom data runs; its files are below the guest's disk, as if that were ``/``."""
    text = gzip.decompress(base64.b64decode(custom_data)).decode()
    config = json.loads(text.removeprefix("#cloud-config"))

    def command(place: Place) -> Command:
        for file in config["write_files"]:
            target = place.disk / file["path"].lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(file["content"], encoding="utf-8")
        unit = next(file["content"] for file in config["write_files"] if file["path"].endswith(".service"))
        told = dict(re.findall(r"^(\w+)=(.*)$", unit, re.MULTILINE))
        _, *words = told["ExecStart"].split()
        folder = place.disk / told["WorkingDirectory"].lstrip("/")
        return Command((sys.executable, *words), {"PYTHONPATH": str(folder)})

    return command
