"""What a story tells the QEMU of its guest, with a server that speaks as QEMU's monitor does."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from localazure.guests.linux.monitor import tell_qemu
from localazure.guests.linux.qemu import QMP

if TYPE_CHECKING:
    from pathlib import Path


async def told(folder: Path, command: str) -> list[str]:
    """Tell it a command; give what the server heard. It knows ``stop`` only, and tells of events in between."""
    heard: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"QMP": {"capabilities": []}}\r\n')
        while line := await reader.readline():
            word = json.loads(line)["execute"]
            heard.append(word)
            known = word in {"qmp_capabilities", "stop"}
            answer = {"return": {}} if known else {"error": {"class": "CommandNotFound"}}
            writer.write(b'{"event": "STOP", "timestamp": {}}\r\n' + json.dumps(answer).encode() + b"\r\n")
        writer.close()

    async with await asyncio.start_unix_server(serve, folder / QMP):
        await tell_qemu(folder, command)
    return heard


def test_a_command_is_told_and_events_in_between_are_no_answers(tmp_path: Path) -> None:
    """The monitor wants to be greeted first."""
    assert asyncio.run(told(tmp_path, "stop")) == ["qmp_capabilities", "stop"]


def test_what_qemu_refuses_is_an_error_that_says_so(tmp_path: Path) -> None:
    """A story must not go on as if it had been done."""
    with pytest.raises(OSError, match="QEMU refuses dance"):
        asyncio.run(told(tmp_path, "dance"))


def test_without_a_machine_there_is_nobody_to_tell(tmp_path: Path) -> None:
    """QEMU is off."""
    with pytest.raises(OSError, match="No such file"):
        asyncio.run(tell_qemu(tmp_path, "stop"))
