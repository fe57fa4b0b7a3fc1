"""One machine under QEMU, from the switching on to the power loss: what ``guardian.py`` runs for a real guest.

Run as ``python machine.py QEMU …`` in the folder of the guest's disk. SIGTERM presses the power button (ACPI), as a
stop by the VM's owner does; a power loss is the guardian's SIGKILL. Lines of the console are printed as a program's
own would be. Standard library only.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

QMP: Final = "qmp.sock"
"""As ``qemu.py`` has it, which this program, run alone, cannot import."""

_JOURNALD: Final = re.compile(r"^\[ *\d+\.\d+\] ([^\s\[]+)\[\d+\]: ")
_WITHIN_S: Final = 5.0


def said(line: str) -> str:
    """Give what a line of the console says, without what journald writes before it. Pure."""
    return _JOURNALD.sub("", line.rstrip("\r\n"))


def press_power_button() -> None:
    """Ask the guest to shut down. A machine that is not that far yet, or is off already, hears nothing of it."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_WITHIN_S)
        try:
            connection.connect(QMP)
            with connection.makefile("rw") as monitor:
                monitor.readline()
                for command in ("qmp_capabilities", "system_powerdown"):
                    monitor.write(json.dumps({"execute": command}) + "\n")
                    monitor.flush()
                    monitor.readline()
        except OSError as error:
            # Not by way of ``sys.stdout``, which may be at a line of the console when the signal comes.
            os.write(1, f"[the power button was pressed in vain: {error}]\n".encode())


def main(qemu: Sequence[str]) -> int:
    """Run the machine until it is off; give QEMU's exit code."""
    # All its threads on one processor: on two, its emulated disk (QEMU 7.2) now and then overlooks a request of the
    # guest's driver, as if a memory barrier were missing. The driver then resets it again and again, for ever:
    # that stood in the memory of a guest that hung.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    # A session of its own: the SIGTERM to this program's group would end it as a power loss does.
    process = subprocess.Popen(  # noqa: S603 - it is what this program is for
        qemu,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        encoding="utf-8",
        errors="replace",
        # The console ends its lines with \r\n, and has \r alone within a line.
        bufsize=1,
    )
    signal.signal(signal.SIGTERM, lambda *_: press_power_button())
    if process.stdout is not None:
        for line in process.stdout:
            sys.stdout.write(f"{said(line)}\n")
            sys.stdout.flush()
    return process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
