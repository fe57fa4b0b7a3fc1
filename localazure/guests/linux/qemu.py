"""The command line of QEMU for one guest, and the addresses by which a guest finds what runs on this machine. Pure.

Called by ``linux_vm.py``. The network is QEMU's own and needs no root. There is no route out of it: the guest reaches
this machine's loopback at ``HOST``, and turns there itself what its programs ask of 169.254.169.254
(``root/usr/local/sbin/guest-network``). A real metadata service that this machine may have is out of its reach.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pathlib import Path

HOST: Final = "169.254.0.2"
"""This machine's loopback, as the guest sees it. The storage emulator's certificate names this address too."""

DISK: Final = "root.ext4"
QMP: Final = "qmp.sock"
SHELL: Final = "shell.sock"
"""In the folder in which QEMU runs: the longest path of a socket has 107 characters."""

_NETWORK: Final = "169.254.0.0/16"
_LOOPBACK: Final = re.compile(r"(?<=//)127\.0\.0\.1(?=:\d)")


def seen_from_inside(text: str) -> str:
    """Write a URL or a connection string that names ports of loopback as the guest has to."""
    return _LOOPBACK.sub(HOST, text)


def command_line(kernel: Path, payload: Path, metadata: str) -> tuple[str, ...]:
    """Give QEMU's command line, to be run where ``DISK`` is. The console is its standard output.

    ``metadata``: the URL of the VM's metadata service, a port of loopback.
    """
    port = urlsplit(metadata).port
    return (
        "qemu-system-x86_64",
        # Emulated, whatever the machine can do: under a nested KVM the kernel of the guest may hang at its first step.
        # Without a limit of its own the buffer of translated code grows to a gigabyte.
        *("-machine", "q35", "-accel", "tcg,tb-size=128", "-cpu", "max", "-m", "512", "-smp", "1"),
        *("-display", "none", "-nodefaults", "-no-user-config"),
        *("-kernel", str(kernel)),
        *("-append", f"console=ttyS0 quiet root=/dev/nvme0n1 rw guest.metadata={HOST}:{port}"),
        # Two namespaces of one controller: two controllers have their names by chance. "unsafe" loses nothing when QEMU
        # alone is killed: what it has written is in this machine's cache.
        *("-device", "nvme,id=nvme,serial=guest"),
        *("-drive", f"if=none,id=root,file={DISK},format=raw,cache=unsafe", "-device", "nvme-ns,drive=root,nsid=1"),
        *("-drive", f"if=none,id=payload,file={_quoted(payload)},format=raw,readonly=on"),
        *("-device", "nvme-ns,drive=payload,nsid=2"),
        *("-netdev", f"user,id=net,net={_NETWORK},host={HOST}"),
        *("-device", "virtio-net-pci,netdev=net,romfile="),
        *("-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"),
        *("-serial", f"unix:{SHELL},server=on,wait=off", "-qmp", f"unix:{QMP},server=on,wait=off"),
    )


def _quoted(file: Path) -> str:
    """Write a path as QEMU wants it among options that commas separate."""
    return str(file).replace(",", ",,")
