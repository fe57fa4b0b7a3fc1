"""The guests of a world, and what each finds in its VM: a metadata service, a disk that stays, a way to the queue.

Used by ``laptop.py``. ``guest.py`` has one of them.
"""

from __future__ import annotations

import asyncio
import shutil
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from localazure.guests.guest import Guest, Place
from localazure.guests.metadata_service import MetadataService, metadata_service
from localazure.guests.queue_relay import queue_relay

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

    from localazure.guests.announcements import Announcements
    from localazure.guests.guest import Command, Printed
    from localazure.runtime.identity import TokenIssuer
    from localazure.world.world import World


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What guests live in. ``folder``: of their disks and consoles. ``queue``: the URL of the queue for agents, or "".

    ``work``: the connection string of the storage account for jobs, or "". ``arm``: the address of Resource Manager, or
    "". ``authority``: the certificate authority that they trust, where there is one.
    """

    world: World
    announcements: Announcements
    clock: Callable[[], datetime]
    issuer: TokenIssuer
    folder: Path
    queue: str = ""
    work: str = field(default="", repr=False)
    arm: str = ""
    authority: Path | None = None


@dataclass(slots=True)
class Guests:
    """The insides of a world's VMs; an async context manager, at whose end all are cut off."""

    surroundings: Surroundings
    services: dict[str, MetadataService] = field(default_factory=dict)
    """The metadata services that are open, by the VM's id in lower case."""
    installed: dict[str, Guest] = field(default_factory=dict)
    _listeners: list[Printed] = field(default_factory=list)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def listen(self, listener: Printed) -> None:
        """Be told what guests print."""
        self._listeners.append(listener)

    async def open_metadata(self, name: str) -> MetadataService:
        """Give the metadata service of a VM; it is opened the first time."""
        around = self.surroundings
        machine = around.world.existing(name)
        key = machine.vm_id.lower()
        if key not in self.services:
            service = MetadataService(
                machine=machine,
                world=around.world,
                announcements=around.announcements,
                issuer=around.issuer,
                clock=around.clock,
                # Called by the VM's id, as in vm_bodies.py. It may nothing at ARM that nobody assigned to it.
                identities={"": machine.vm_id},
            )
            self.services[key] = await self._stack.enter_async_context(metadata_service(service))
        return self.services[key]

    async def install(self, name: str, command: Callable[[Place], Command]) -> Guest:
        """Give a VM a guest: it begins when the VM runs, now or later, with an empty disk the first time.

        Raises:
            ValueError: the VM has a guest.
        """
        metadata = await self.open_metadata(name)
        machine = metadata.machine
        if machine.name in self.installed:
            message = f"VM {machine.name!r} has a guest already"
            raise ValueError(message)
        around = self.surroundings
        folder = around.folder / machine.name
        shutil.rmtree(folder, ignore_errors=True)
        disk = folder / "disk"
        disk.mkdir(parents=True)
        relay = await self._stack.enter_async_context(queue_relay(around.queue)) if around.queue else None
        place = Place(metadata.url, disk, relay.url if relay else "", around.work, around.arm)
        trusted = {} if around.authority is None else trust(around.authority)
        guest = Guest(
            machine=machine,
            metadata=metadata,
            relay=relay,
            disk=disk,
            command=command(place),
            environment={"SPOT_IMDS": metadata.url, "HOME": str(disk), **trusted},
            printed=self._tell,
        )
        self.installed[machine.name] = guest
        self._stack.push_async_callback(_end, asyncio.create_task(guest.follow()))
        return guest

    def _tell(self, name: str, line: str) -> None:
        for listener in self._listeners:
            listener(name, line)

    async def __aenter__(self) -> Self:
        """Begin with none."""
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Cut all power, then close the services."""
        await self._stack.aclose()


def trust(authority: Path) -> dict[str, str]:
    """Give the variables by which a program trusts an authority: Python's ``ssl`` reads one, ``requests`` the other."""
    return {"SSL_CERT_FILE": str(authority), "REQUESTS_CA_BUNDLE": str(authority)}


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
