"""The inside of a trial's VM in virtual time: a double of its listener, which prints what that would print.

The listener itself is a process, with the machine's clock: ``make trial`` and ``test_listener.py`` have it.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from localazure.guests.guest_power import Power, power_and_boot
from localazure.guests.metadata_answers import Asked, answer
from localazure.guests.metadata_errors import MetadataRefused
from localazure.trial.insides import serial_logs
from localazure.world.timestamps import guid
from spot_responder.trial.views.observations import LISTENER

if TYPE_CHECKING:
    from aiohttp import web

    from localazure.guests.guests import Guests
    from localazure.guests.metadata_service import MetadataService

_LOOK_S: Final = 0.05
_ASKS_EVERY: Final = 20
_STORAGE: Final = "https://storage.azure.com/"


@dataclass(slots=True)
class VirtualInsides:
    """Begins a listener in each VM with custom data."""

    guests: Guests
    logs: dict[str, str] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def begin(self, name: str, custom_data: str) -> None:
        """Let a new VM have a listener, which goes by its power."""
        if custom_data:
            self.tasks.add(asyncio.ensure_future(self._follow(name)))

    def application(self) -> web.Application:
        """Build what gives the serial logs."""
        return serial_logs(lambda name: self.logs[name].encode() if name in self.logs else None)

    async def end(self) -> None:
        """Cut all power."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _follow(self, name: str) -> None:
        service = await self.guests.open_metadata(name)
        listens: _Listens | None = None
        looks = 0
        while True:
            service.catch_up()
            power, boot = power_and_boot(service.machine)
            if power is Power.OFF:
                listens = None
            elif power is Power.ON and listens is None:
                listens, looks = _Listens(service, guid("boot", service.machine.unique_id, boot)), 0
                self._print(name, listens.begin())
            elif power is Power.SHUTTING_DOWN and listens is not None and not listens.ended:
                self._print(name, listens.end())
            elif power is Power.ON and listens is not None and looks % _ASKS_EVERY == 0:
                self._print(name, listens.ask())
            looks += 1
            await asyncio.sleep(_LOOK_S)

    def _print(self, name: str, lines: list[dict[str, Any]]) -> None:
        printed = "".join(f"{LISTENER}{json.dumps(line)}\n" for line in lines)
        self.logs[name] = self.logs.get(name, "") + printed


@dataclass(slots=True)
class _Listens:
    """The listener in one boot."""

    service: MetadataService
    boot: str
    asked: int = 0
    ended: bool = False
    shown: object = None

    def begin(self) -> list[dict[str, Any]]:
        first = self.ask()
        found = {
            "newest": self._status("scheduledevents", "2024-07-09"),
            "unknown": self._status("scheduledevents", "2030-01-01"),
            "name": self._get("instance", "2021-02-01")[1]["compute"]["name"],
            "clock_error_s": 0.0,
            "token_lives_s": float(self._get("identity/oauth2/token", "2018-02-01")[1]["expires_in"]),
            "load_balancer": self._status("loadbalancer", "2020-10-01"),
        }
        said = [self._line("boot"), self._line("first answer", status=200, took_s=0.0)]
        return [*said, *first, self._line("service", **found)]

    def ask(self) -> list[dict[str, Any]]:
        _, document = self._get("scheduledevents", "2020-07-01")
        self.asked += 1
        is_news = document != self.shown or document["Events"]
        self.shown = document
        return [self._line("events", events=document["Events"])] if is_news else []

    def end(self) -> list[dict[str, Any]]:
        self.ended = True
        return [self._line("told to end")]

    def _line(self, what: str, **more: object) -> dict[str, Any]:
        at = self.service.clock().isoformat()
        return {"at": at, "boot": self.boot, "what": what, **more, "asked": self.asked, "too_many": 0}

    def _status(self, place: str, version: str) -> int:
        return self._get(place, version)[0]

    def _get(self, place: str, version: str) -> tuple[int, Any]:
        query = {"api-version": version, "resource": _STORAGE}
        asked = Asked("GET", f"/metadata/{place}", query, {"metadata": "true"})
        try:
            return 200, answer(asked, self.service.inside())
        except MetadataRefused as refused:
            return refused.status, None
