"""One guest: a real process that lives and dies with the power of its VM, and finds its disk again.

``guest_power.py`` says when it has power; ``guardian.py`` runs its command, and ends it. Kept by ``guests.py``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, cast

from localazure.guests import guardian
from localazure.guests import programs as several_programs
from localazure.guests.guest_power import Power, power_and_boot
from localazure.runtime.processes import OF_ITS_OWN, bare_environment
from localazure.world.timestamps import guid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from localazure.guests.metadata_service import MetadataService
    from localazure.guests.queue_relay import QueueRelay
    from localazure.world.machines import Machine

    type Printed = Callable[[str, str], None]
    """Takes the name of a VM, and a line that its guest printed."""

_LOOK_S: Final = 0.02
_CHUNK: Final = 65536
_LONGEST_LINE: Final = 8192
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a guest finds things: the metadata service, its disk, and the queue that agents write to (or "").

    ``work``: the connection string of the storage account that has the jobs of this VM and of others (or "").
    ``arm``: the address of Azure Resource Manager (or "").
    """

    imds: str
    disk: Path
    queue: str
    work: str = field(default="", repr=False)
    arm: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """What a guest is: a program with its arguments, and what its environment has more than any guest's."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = _NONE


def together(*commands: Command) -> Command:
    """Make one command of several, for a VM in which several programs run. They share the environment of all."""
    environment = {name: value for command in commands for name, value in command.environment.items()}
    programs = (json.dumps(command.arguments) for command in commands)
    return Command((sys.executable, "-I", several_programs.__file__, *programs), environment)


@dataclass(slots=True)
class Guest:
    """The inside of one VM. What goes wrong there is set by ``metadata.faults``, ``relay.let`` and ``fill_disk``."""

    machine: Machine
    metadata: MetadataService
    relay: QueueRelay | None
    disk: Path
    command: Command
    environment: Mapping[str, str]
    printed: Printed
    _guardian: asyncio.subprocess.Process | None = None
    _reading: asyncio.Task[None] | None = None
    _boot: int = 0
    _told_to_end: bool = False

    @property
    def console(self) -> Path:
        """All that the guest ever printed."""
        return self.disk.parent / "console.log"

    @property
    def has_power(self) -> bool:
        """Whether its command was started, and not yet cut off; it may have ended by itself."""
        return self._guardian is not None

    async def follow(self) -> None:
        """Do as the power goes, until cancelled; then cut it."""
        try:
            while True:
                self.metadata.catch_up()
                await self._obey(*power_and_boot(self.machine))
                await asyncio.sleep(_LOOK_S)
        finally:
            await self._cut_power()

    def fill_disk(self) -> None:
        """Let no file of the guest grow, as on a full disk, until ``free_disk`` or the next boot.

        It is a limit of each process (``RLIMIT_FSIZE`` 0): a write fails with "File too large" instead of "No space
        left on device", also one that would overwrite. As on a full disk, empty files can be made, files renamed and
        removed, and pipes and sockets written to.
        """
        self._order(guardian.FILL_DISK)

    def free_disk(self) -> None:
        """Let there be space again."""
        self._order(guardian.FREE_DISK)

    async def _obey(self, power: Power, boot: int) -> None:
        if power is Power.OFF or boot != self._boot:
            await self._cut_power()
        if power is Power.ON and boot != self._boot:
            self._boot = boot
            await self._begin()
        if power is Power.SHUTTING_DOWN and not self._told_to_end:
            self._told_to_end = True
            self._order(guardian.SHUT_DOWN)

    async def _begin(self) -> None:
        self.disk.mkdir(parents=True, exist_ok=True)
        self._told_to_end = False
        self._guardian = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            guardian.__file__,
            *self.command.arguments,
            env=bare_environment({**self.environment, **self._of_this_boot(), **self.command.environment}),
            cwd=self.disk,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            process_group=OF_ITS_OWN,
        )
        # It is a pipe: asked for above.
        self._reading = asyncio.create_task(self._read(cast("asyncio.StreamReader", self._guardian.stdout)))

    def _of_this_boot(self) -> dict[str, str]:
        """Say which boot it is: a plain process shares its kernel, whose boot id stays the same, with all others."""
        return {"SPOT_BOOT_ID": guid("boot", self.machine.unique_id, self._boot)}

    def _order(self, order: str) -> None:
        if self._guardian is not None and self._guardian.stdin is not None:
            self._guardian.stdin.write(f"{order}\n".encode())

    async def _cut_power(self) -> None:
        if self._guardian is None or self._reading is None:
            return
        if self._guardian.stdin is not None:
            self._guardian.stdin.close()
        # Cancelled here, it is done once more at the end: it is only over when all has ended.
        await self._guardian.wait()
        await asyncio.shield(self._reading)
        self._guardian = None

    async def _read(self, output: asyncio.StreamReader) -> None:
        """Keep what the guest prints, and tell it line by line."""
        with self.console.open("ab") as console:
            unread = b""
            while chunk := await output.read(_CHUNK):
                console.write(chunk)
                console.flush()
                *lines, unread = (unread + chunk).split(b"\n")
                for line in lines:
                    self.printed(self.machine.name, line.decode(errors="replace"))
                if len(unread) > _LONGEST_LINE:
                    self.printed(self.machine.name, unread.decode(errors="replace"))
                    unread = b""
            if unread:
                self.printed(self.machine.name, unread.decode(errors="replace"))
