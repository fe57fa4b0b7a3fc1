"""The way into a guest: its end is the program that runs in the guest, here on a terminal of this machine."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from localazure.guests.linux import disk
from localazure.guests.linux.qemu import SHELL
from localazure.guests.linux.shell import Answer, GuestCommandError, Shell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PROGRAM = disk.ROOT / "usr/local/sbin/guest-shell"


@asynccontextmanager
async def guest(folder: Path) -> AsyncIterator[None]:
    """Run the guest's program on a terminal, whose other end is where QEMU would have it."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    process = await asyncio.create_subprocess_exec(sys.executable, "-I", str(PROGRAM), stdin=theirs, stdout=theirs)
    loop = asyncio.get_running_loop()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop.add_reader(ours, lambda: writer.write(os.read(ours, 65536)))
        while chunk := await reader.read(1024):
            os.write(ours, chunk)
        loop.remove_reader(ours)
        writer.close()

    server = await asyncio.start_unix_server(carry, folder / SHELL)
    try:
        yield
    finally:
        server.close()
        process.kill()
        await process.wait()
        loop.remove_reader(ours)
        os.close(ours)
        os.close(theirs)


def test_a_command_is_run_and_answered(tmp_path: Path) -> None:
    """With its exit code, and all that it printed; several lines, and what is no ASCII, come as they are."""

    async def story() -> None:
        async with guest(tmp_path):
            shell = Shell(tmp_path)
            assert await shell.ask("echo one; echo zwölf >&2; exit 3") == Answer(3, "one\nzwölf\n")
            assert await shell.run("printf %s end") == "end"
            with pytest.raises(GuestCommandError, match="`false; false` ended with 1 in the guest"):
                await shell.run("false; false")

    asyncio.run(story())


def test_a_deep_folder_is_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path of a socket may have 107 characters; that of a repository more."""
    folder = tmp_path / ("d" * 100)
    folder.mkdir()
    # The server of this test is bound by the same limit.
    monkeypatch.chdir(folder)

    async def story() -> None:
        async with guest(Path()):
            assert await Shell(folder).run("printf here") == "here"

    asyncio.run(story())


def test_a_guest_that_is_off_or_silent_is_given_up_in_time(tmp_path: Path) -> None:
    """One line says which command had no answer."""

    async def story() -> None:
        with pytest.raises(GuestCommandError, match="no answer to `true` within 0 s"):
            await Shell(tmp_path).run("true", within_s=0.2)

    asyncio.run(story())
