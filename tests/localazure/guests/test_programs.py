"""Several programs in one VM, in real processes: each is kept running until the VM is told to shut down."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from localazure.guests.guest import Command, together
from localazure.world.machines import PowerState
from localazure.world.world import OWNER
from tests.localazure.guests.inside import Inside, inside, is_there, wait_until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from localazure.guests.guest import Place

STAYS = """
import os, signal, sys, time
told = []
name = sys.argv[1]
signal.signal(signal.SIGTERM, lambda *_: told.append(True))
print(name, "begins with", os.environ.get("GIVEN"), flush=True)
print("process of", name, os.getpid(), flush=True)
while not told:
    time.sleep(0.1)
print(name, "was told to end", flush=True)
"""
ENDS = """
import sys
print("short begins", flush=True)
sys.exit(3)
"""


def stays(name: str) -> Command:
    """Give a program that runs until it is told to end, and shows what it was given."""
    return Command((sys.executable, "-c", STAYS, name), {"GIVEN": "one environment"})


def play(folder: Path, command: Callable[[Place], Command], story: Callable[[Inside], Awaitable[None]]) -> None:
    """Open a world whose VM runs this, and play a story in it."""

    async def whole() -> None:
        async with inside(folder) as there:
            await there.guests.install("vm-1", command)
            await story(there)

    asyncio.run(whole())


def test_each_is_told_to_end_and_ends(tmp_path: Path) -> None:
    """At an owner's stop; all have then what the commands together were to have in their environment."""

    async def story(there: Inside) -> None:
        for name in ("agent", "worker"):
            await there.until(f"vm-1: {name} begins with one environment")
        there.world.stop_by_owner("vm-1")
        await there.until("vm-1: [the guest's command has ended: exit code 0]")
        assert sorted(line for line in there.printed if line.endswith("told to end")) == [
            "vm-1: agent was told to end",
            "vm-1: worker was told to end",
        ]

    play(tmp_path, lambda _place: together(Command((sys.executable, "-c", STAYS, "agent")), stays("worker")), story)


def test_what_ends_is_started_again_and_the_other_goes_on(tmp_path: Path) -> None:
    """As systemd does with a service that is to restart always."""

    async def story(there: Inside) -> None:
        await there.until("vm-1: short begins", 2)
        assert [line for line in there.printed if "has ended with 3: it is started again" in line]
        assert there.printed.count("vm-1: agent begins with one environment") == 1

    play(tmp_path, lambda _place: together(stays("agent"), Command((sys.executable, "-c", ENDS))), story)


def test_none_outlives_an_eviction_and_all_are_back_after_it(tmp_path: Path) -> None:
    """The power is cut for each of them, though each has a session of its own."""

    async def story(there: Inside) -> None:
        for name in ("agent", "worker"):
            await there.until(f"vm-1: {name} begins with one environment")
        await wait_until(lambda: len(processes(there)) == 2, lambda: "the processes")
        before = processes(there)
        there.announcements.evict("vm-1", None)
        await wait_until(lambda: not any(map(is_there, before)), lambda: f"the end of {before}")
        there.clock.skip(15)
        machine = there.world.machine("vm-1")
        await wait_until(lambda: machine.power_state is PowerState.DEALLOCATED, lambda: "the deallocation")
        there.world.start(machine, OWNER)
        there.clock.skip(20)
        for name in ("agent", "worker"):
            await there.until(f"vm-1: {name} begins with one environment", 2)

    play(tmp_path, lambda _place: together(stays("agent"), stays("worker")), story)


def processes(there: Inside) -> list[int]:
    """Give the ids of the processes that have told of themselves."""
    return [int(line.rpartition(" ")[2]) for line in there.printed if "process of" in line]
