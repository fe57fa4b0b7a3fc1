"""Guests in real processes: what ends when a VM goes down, and what is there when it runs again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from localazure.guests.guest import Command
from localazure.guests.notices import Notice
from localazure.world.machines import PowerState
from localazure.world.world import OWNER
from tests.localazure.guests.inside import SECOND, Inside, inside, is_there, stand_in, wait_until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

REPOSITORY: Final = Path(__file__).resolve().parents[3]


def play(folder: Path, story: Callable[[Inside], Awaitable[None]], *names: str) -> None:
    """Open a world and play a story in it."""

    async def whole() -> None:
        async with inside(folder, *names) as there:
            await story(there)

    asyncio.run(whole())


def number(there: Inside, word: str, name: str = "vm-1") -> int:
    """Give the number that a guest printed last behind a word: of a process, say."""
    found = [line.rpartition(" ")[2] for line in there.printed if line.startswith(f"{name}: {word} ")]
    return int(found[-1])


async def until_gone(*processes: int) -> None:
    """Wait until there are no such processes, not even zombies."""
    await wait_until(lambda: not any(map(is_there, processes)), lambda: f"the end of {processes}")


def test_a_guest_sees_its_eviction_is_killed_at_its_time_and_finds_its_disk_again(tmp_path: Path) -> None:
    """Ten seconds of notice; and no shutdown, for which it would have been ready."""

    async def story(there: Inside) -> None:
        guest = await there.guest("polls", "tells-its-end")
        await there.until("vm-1: sees nothing")
        process = number(there, "process")
        (guest.disk / "checkpoint").write_text("half done", encoding="utf-8")
        there.announcements.evict("vm-1", Notice(10 * SECOND))
        await there.until("vm-1: sees Preempt Scheduled")
        there.clock.skip(8)
        assert is_there(process)
        there.clock.skip(2)
        await until_gone(process)
        assert guest.machine.power_state is PowerState.DEALLOCATING
        there.clock.skip(15)
        await wait_until(lambda: guest.machine.power_state is PowerState.DEALLOCATED, lambda: "the deallocation")
        there.world.start(guest.machine, OWNER)
        there.clock.skip(20)
        await there.until("vm-1: boot 2")
        assert (guest.disk / "checkpoint").read_text(encoding="utf-8") == "half done"
        await there.until("vm-1: sees nothing", 2)
        assert "vm-1: was told to end" not in there.printed

    play(tmp_path, story)


def test_an_owners_stop_lets_a_guest_end_in_order(tmp_path: Path) -> None:
    """It is told, and ends by itself while the VM is going down."""

    async def story(there: Inside) -> None:
        guest = await there.guest("tells-its-end")
        there.world.stop_by_owner("vm-1")
        await there.until("vm-1: was told to end")
        await there.until("vm-1: [the guest's command has ended: exit code 0]")
        assert guest.machine.power_state is PowerState.DEALLOCATING

    play(tmp_path, story)


def test_a_guest_that_does_not_end_is_cut_off_when_the_vm_is_down(tmp_path: Path) -> None:
    """It was told once."""

    async def story(there: Inside) -> None:
        guest = await there.guest("ignores-its-end")
        process = number(there, "process")
        there.world.power_off(guest.machine, OWNER)
        await there.until("vm-1: lives on")
        assert is_there(process)
        there.clock.skip(15)
        await until_gone(process)
        assert there.printed.count("vm-1: does not care") == 1

    play(tmp_path, story)


def test_a_restart_begins_the_guest_again(tmp_path: Path) -> None:
    """With its disk."""

    async def story(there: Inside) -> None:
        guest = await there.guest("tells-its-end")
        there.world.restart(guest.machine, OWNER)
        await there.until("vm-1: was told to end")
        there.clock.skip(20)
        await there.until("vm-1: boot 2")
        assert [line for line in guest.console.read_text().splitlines() if line.startswith("boot")] == [
            "boot 1",
            "boot 2",
        ]
        await there.until("vm-1: begins", 2)
        there.world.stop_by_owner("vm-1")
        await there.until("vm-1: was told to end", 2)

    play(tmp_path, story)


def test_nothing_that_a_guest_left_behind_outlives_its_vm(tmp_path: Path) -> None:
    """Not even what is in a session of its own, and lost its parent; and there are no zombies."""

    async def story(there: Inside) -> None:
        await there.guest("forks")
        await wait_until(lambda: any(" orphan " in line for line in there.printed), lambda: "the orphan")
        process, orphan = number(there, "process"), number(there, "orphan")
        assert is_there(orphan)
        there.world.evict("vm-1")
        await until_gone(process, orphan)

    play(tmp_path, story)


def test_a_guest_that_ends_by_itself_stays_so_until_the_next_boot(tmp_path: Path) -> None:
    """What it left behind runs on, as in a VM; its end is told."""

    async def story(there: Inside) -> None:
        guest = await there.guest("forks", "ends=3")
        await there.until("vm-1: [the guest's command has ended: exit code 3]")
        process, orphan = number(there, "process"), number(there, "orphan")
        await until_gone(process)
        assert (is_there(orphan), guest.has_power) == (True, True)
        there.world.restart(guest.machine, OWNER)
        there.clock.skip(20)
        await there.until("vm-1: boot 2")
        await until_gone(orphan)

    play(tmp_path, story)


def test_a_command_that_there_is_not_is_told(tmp_path: Path) -> None:
    """The VM runs without it."""

    async def story(there: Inside) -> None:
        await there.guests.install("vm-1", lambda _place: Command(("/no/such/program",)))
        await wait_until(lambda: any("cannot be started" in line for line in there.printed), lambda: "the reason")
        assert "No such file or directory: '/no/such/program'" in there.printed[0]

    play(tmp_path, story)


def test_guests_of_two_vms_do_not_touch_each_other(tmp_path: Path) -> None:
    """Each has its own service, disk and power."""

    async def story(there: Inside) -> None:
        one, other = await there.guest(name="vm-1"), await there.guest(name="vm-2")
        assert one.metadata.url != other.metadata.url
        assert one.disk != other.disk
        there.world.evict("vm-1")
        await until_gone(number(there, "process", "vm-1"))
        assert is_there(number(there, "process", "vm-2"))
        with pytest.raises(ValueError, match="'vm-2' has a guest already"):
            await there.guests.install("VM-2", stand_in)

    play(tmp_path, story, "vm-1", "vm-2")


def test_on_a_full_disk_nothing_is_written_until_there_is_space_again(tmp_path: Path) -> None:
    """The guest is told so by each write, and lives; another boot begins with space."""

    async def story(there: Inside) -> None:
        guest = await there.guest("writes")
        await there.until("vm-1: writes")
        guest.fill_disk()
        await there.until("vm-1: cannot write: File too large")
        guest.free_disk()
        await there.until("vm-1: writes", 2)
        guest.fill_disk()
        await there.until("vm-1: cannot write: File too large", 2)
        there.world.restart(guest.machine, OWNER)
        there.clock.skip(20)
        await there.until("vm-1: writes", 3)

    play(tmp_path, story)


def test_a_full_disk_does_not_kill_what_does_not_expect_it(tmp_path: Path) -> None:
    """A shell that writes gets an error, as on a real full disk."""

    async def story(there: Inside) -> None:
        script = "while sleep 0.1; do { echo work >> work; } 2>/dev/null && echo wrote || echo could not; done"
        guest = await there.guests.install("vm-1", lambda _place: Command(("/bin/sh", "-c", script)))
        await there.until("vm-1: wrote")
        guest.fill_disk()
        await there.until("vm-1: could not")

    play(tmp_path, story)


def test_a_guest_sees_nothing_of_whoever_runs_the_laptop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a plain process, and where its metadata service is; it works in its disk."""
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")

    async def story(there: Inside) -> None:
        code = "import json, os; print(json.dumps([dict(os.environ), os.getcwd()]))"
        guest = await there.guests.install("vm-1", lambda _place: Command((sys.executable, "-c", code), {"MORE": "1"}))
        await wait_until(lambda: len(there.printed) == 2, lambda: f"the end of a first boot: {there.printed}")
        environment, folder = json.loads(there.printed[0].partition(": ")[2])
        environment.pop("LC_CTYPE", None)
        boot = environment.pop("SPOT_BOOT_ID")
        assert environment == {
            "PATH": os.environ["PATH"],
            "HOME": str(guest.disk),
            "SPOT_IMDS": guest.metadata.url,
            "MORE": "1",
        }
        assert folder == str(guest.disk)
        there.world.restart(guest.machine, OWNER)
        there.clock.skip(20)
        await wait_until(lambda: len(there.printed) == 4, lambda: f"the end of a second boot: {there.printed}")
        again, _ = json.loads(there.printed[2].partition(": ")[2])
        assert again["SPOT_BOOT_ID"] not in {boot, ""}

    play(tmp_path, story)


def test_what_a_guest_prints_is_kept_and_told(tmp_path: Path) -> None:
    """Also a line that never ends, in pieces; and what is no text is no trouble."""

    async def story(there: Inside) -> None:
        printed = r"b'\xff one\n' + b'x' * 10000"
        code = f"import sys, time; sys.stdout.buffer.write({printed}); sys.stdout.flush(); time.sleep(600)"
        guest = await there.guests.install("vm-1", lambda _place: Command((sys.executable, "-c", code)))
        await wait_until(lambda: sum(map(len, there.printed)) > 10000, lambda: str(there.printed))
        assert there.printed[0] == "vm-1: \ufffd one"
        assert "".join(line.partition(": ")[2] for line in there.printed[1:]) == "x" * 10000
        assert guest.console.read_bytes() == b"\xff one\n" + b"x" * 10000

    play(tmp_path, story)


def test_a_world_that_ends_takes_its_guests_with_it(tmp_path: Path) -> None:
    """And what they left behind."""
    processes: list[int] = []

    async def story(there: Inside) -> None:
        await there.guest("forks", "ignores-its-end")
        await wait_until(lambda: any(" orphan " in line for line in there.printed), lambda: "the orphan")
        processes.extend((number(there, "process"), number(there, "orphan")))

    play(tmp_path, story)
    assert not any(map(is_there, processes))


LAPTOP: Final = """
import asyncio, sys
from pathlib import Path
from tests.localazure.guests.inside import inside

async def main():
    async with inside(Path(sys.argv[1])) as there:
        there.guests.listen(lambda name, line: print(line, flush=True))
        await there.guest("forks", "ignores-its-end")
        await asyncio.sleep(600)

asyncio.run(main())
"""


def test_no_guest_outlives_a_laptop_that_is_killed(tmp_path: Path) -> None:
    """By SIGKILL, with no time to say a word."""
    laptop = subprocess.Popen(  # noqa: S603 - our own
        [sys.executable, "-c", LAPTOP, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    processes: list[int] = []
    assert laptop.stdout is not None
    while len(processes) < 2:
        word, _, value = laptop.stdout.readline().partition(" ")
        assert laptop.poll() is None
        processes += [int(value)] if word in {"process", "orphan"} else []
    assert all(map(is_there, processes))
    laptop.send_signal(signal.SIGKILL)
    laptop.wait()
    laptop.stdout.close()
    asyncio.run(until_gone(*processes))
