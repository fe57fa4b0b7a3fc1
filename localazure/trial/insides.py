"""The insides of the VMs that a trial creates: real processes, begun by the VM's custom data, and their serial logs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from localazure.trial.custom_data import begun_by

if TYPE_CHECKING:
    from collections.abc import Callable

    from localazure.guests.guest import Guest
    from localazure.guests.guests import Guests


@dataclass(slots=True)
class Insides:
    """Begins a guest for each VM with custom data."""

    guests: Guests
    tasks: set[asyncio.Task[Guest]] = field(default_factory=set)

    def begin(self, name: str, custom_data: str) -> None:
        """Let a new VM have a guest, which runs as soon as the VM does."""
        if custom_data:
            task = asyncio.ensure_future(self.guests.install(name, begun_by(custom_data)))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    def application(self) -> web.Application:
        """Build what gives the serial logs."""
        return serial_logs(self._printed)

    def _printed(self, name: str) -> bytes | None:
        guest = self.guests.installed.get(name)
        return guest.console.read_bytes() if guest is not None and guest.console.exists() else None

    async def end(self) -> None:
        """Drop what is under way."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def serial_logs(printed: Callable[[str], bytes | None]) -> web.Application:
    """Build what gives the serial logs, by the names of VMs: whoever knows the address of one may read it."""

    async def answer(request: web.Request) -> web.Response:
        log = printed(request.match_info["name"])
        if log is None:
            raise web.HTTPNotFound
        return web.Response(body=log, content_type="application/octet-stream")

    application = web.Application()
    application.router.add_get("/{name}", answer)
    return application
