"""Makes a real Linux the guest of a VM: ``guests.install(name, linux_vm(image, payload))``.

The power of the VM drives it as any guest: ``guest.py`` has its guardian run ``machine.py``, which runs QEMU.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from localazure.guests.guest import Command
from localazure.guests.linux import machine
from localazure.guests.linux.disk import filled
from localazure.guests.linux.qemu import DISK, command_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from localazure.guests.guest import Place
    from localazure.guests.linux.disk import Image


def linux_vm(image: Image, fill: Callable[[Place, Path], None]) -> Callable[[Place], Command]:
    """Make the command of a VM that boots from a copy of ``image``.

    ``fill`` puts into a folder what the guest finds in ``/opt/payload``.
    """

    def command(place: Place) -> Command:
        folder, payload = place.disk / "payload", place.disk / "payload.ext4"
        folder.mkdir()
        fill(place, folder)
        filled(folder, payload)
        shutil.rmtree(folder)
        _copy(image.root, place.disk / DISK)
        return Command((sys.executable, "-I", machine.__file__, *command_line(image.kernel, payload, place.imds)))

    return command


def _copy(source: Path, target: Path) -> None:
    """Copy a disk; what is empty takes no place."""
    subprocess.run(("cp", "--sparse=always", str(source), str(target)), check=True)  # noqa: S603, S607 - our own
