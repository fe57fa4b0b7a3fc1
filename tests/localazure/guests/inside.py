"""VMs with guests, in real processes: a world whose clock runs, and can be moved on."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localazure.guests.announcements import Announcements
from localazure.guests.guest import Command, Guest, Place
from localazure.guests.guests import Guests, Surroundings
from localazure.runtime.identity import TokenIssuer
from localazure.world.durations import Durations
from localazure.world.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

PATIENCE_S: Final = 20.0
LOOK_S: Final = 0.02
STAND_IN: Final = Path(__file__).with_name("stand_in.py")
SECOND: Final = timedelta(seconds=1)


@dataclass
class MovedClock:
    """Real time, and how much it was moved on."""

    moved: timedelta = timedelta()

    def __call__(self) -> datetime:
        """Say the time."""
        return datetime.now(UTC) + self.moved

    def skip(self, seconds: float) -> None:
        """Let it be later."""
        self.moved += seconds * SECOND


@dataclass
class Inside:
    """A world, its guests, and what they printed."""

    world: World
    clock: MovedClock
    announcements: Announcements
    guests: Guests
    printed: list[str] = field(default_factory=list)

    async def guest(self, *script: str, name: str = "vm-1") -> Guest:
        """Let a VM have the stand-in for a guest, which does as its script says; come back when it has begun."""
        guest = await self.guests.install(name, lambda place: stand_in(place, *script))
        await self.until(f"{name}: begins")
        return guest

    async def until(self, line: str, times: int = 1) -> None:
        """Wait until guests have printed a line so many times: with the VM's name in front."""
        await wait_until(lambda: self.printed.count(line) >= times, lambda: f"{line!r} {times} times: {self.printed}")


def stand_in(_place: Place, *script: str) -> Command:
    """Give the command of the stand-in."""
    return Command((sys.executable, str(STAND_IN), *script))


async def wait_until(holds: Callable[[], bool], what: Callable[[], str]) -> None:
    """Wait until something holds; fail, and say what was waited for."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, f"waited in vain for {what()}"
        await asyncio.sleep(LOOK_S)


def is_there(process: int) -> bool:
    """Whether a process is there, be it as a zombie."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@asynccontextmanager
async def inside(folder: Path, *names: str) -> AsyncIterator[Inside]:
    """Open a world with these Spot VMs; without names, with ``vm-1``."""
    clock = MovedClock()
    world = World(clock(), Durations())
    for name in names or ("vm-1",):
        world.add_vm(name)
    announcements = Announcements(world)
    issuer = TokenIssuer(b"a key for this test, 32 bytes or more", clock)
    async with Guests(Surroundings(world, announcements, clock, issuer, folder)) as guests:
        there = Inside(world, clock, announcements, guests)
        guests.listen(lambda name, line: there.printed.append(f"{name}: {line}"))
        yield there
