"""Tells the QEMU of a running guest something over its monitor (QMP): to let it stand still, say. For stories."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from localazure.guests.linux.qemu import QMP
from localazure.guests.linux.shell import short_path

if TYPE_CHECKING:
    from pathlib import Path


async def tell_qemu(disk: Path, command: str) -> None:
    """Run a command without arguments. ``disk``: the folder in which the guest's QEMU runs.

    Raises:
        OSError: QEMU does not run, or refuses.
    """
    with short_path(disk / QMP) as path:
        reader, writer = await asyncio.open_unix_connection(path)
    try:
        await reader.readline()
        for word in ("qmp_capabilities", command):
            writer.write(json.dumps({"execute": word}).encode() + b"\n")
            answer = await _answer(reader)
            if "error" in answer:
                message = f"QEMU refuses {word}: {answer['error']}"
                raise OSError(message)
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> dict[str, object]:
    """Read until something is no event."""
    while line := await reader.readline():
        read: dict[str, object] = json.loads(line)
        if "event" not in read:
            return read
    message = "QEMU has ended"
    raise OSError(message)
