"""The metadata service of one VM as an emulator, for programs outside of this repository. Called by ``commands.py``.

The VM of its world is evicted when asked, and comes back by itself. What runs on this machine is not ended with it:
a line says when it would be.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from aiohttp import web

from localazure.guests.announcements import Announcements, Progress
from localazure.guests.guest_power import Power, power_and_boot
from localazure.guests.metadata_faults import Trouble
from localazure.guests.metadata_service import MetadataService, metadata_service
from localazure.guests.notices import NoticeError, read_notice
from localazure.guests.scheduled_events import EventType
from localazure.runtime.identity import TokenIssuer
from localazure.runtime.processes import StartError
from localazure.world.durations import Durations
from localazure.world.machines import PowerState
from localazure.world.world import OWNER, World

if TYPE_CHECKING:
    from localazure.guests.scheduled_events import ScheduledEvent

_SECOND: Final = timedelta(seconds=1)
_DURATIONS: Final = Durations(deallocation=5 * _SECOND, start=5 * _SECOND)
_STEP_S: Final = 0.02
_NOTHING: Final = "none"
_FAULTS: Final = ", ".join([_NOTHING, *(trouble.value for trouble in Trouble)])


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for on the command line. ``preempt_after``: ``None`` for no eviction but those asked for later."""

    port: int
    name: str
    preempt_after: timedelta | None
    notice: str


def run(wanted: Wanted) -> int:
    """Serve until Ctrl-C or SIGTERM.

    Raises:
        StartError: the port is taken.
    """
    asyncio.run(_serve(wanted))
    return 0


async def _serve(wanted: Wanted) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    service = _one_vm(wanted.name)
    service.announcements.listen(_tell_step)
    try:
        async with metadata_service(service, wanted.port, _controls(service)):
            _say(_welcome(service))
            if wanted.preempt_after is not None:
                service.world.schedule(wanted.preempt_after, lambda: _evict_if_up(service, wanted.notice))
            following, waiting = asyncio.create_task(_follow(service)), asyncio.create_task(ended.wait())
            done, _ = await asyncio.wait({following, waiting}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                # It follows for ever: where it ended, that was by an error, which must not pass unseen.
                task.result()
            following.cancel()
    except OSError as error:
        message = f"cannot listen on port {wanted.port} of 127.0.0.1 ({error.strerror}): give another with --port"
        raise StartError(message) from error


def _one_vm(name: str) -> MetadataService:
    def clock() -> datetime:
        return datetime.now(UTC)

    world = World(clock(), _DURATIONS)
    machine = world.add_vm(name)
    issuer = TokenIssuer(secrets.token_bytes(32), clock)
    return MetadataService(machine, world, Announcements(world), issuer, clock, {"": f"vm {name}"})


async def _follow(service: MetadataService) -> None:
    """Let time pass; tell of the VM's power, and start the VM again when it is down."""
    before = Power.ON
    while True:
        service.catch_up()
        power, _ = power_and_boot(service.machine)
        if power is not before:
            _tell(_IN_WORDS[power])
            before = power
        if service.machine.power_state is PowerState.DEALLOCATED:
            service.world.start(service.machine, OWNER)
        await asyncio.sleep(_STEP_S)


def _controls(service: MetadataService) -> list[web.RouteDef]:
    """Give what is asked of the emulator itself: no Azure has these addresses."""

    async def announce(request: web.Request) -> web.Response:
        service.catch_up()
        try:
            event_type = EventType(request.match_info["type"])
            notice = request.query.get("notice", "30")
            if event_type is EventType.PREEMPT:
                return web.Response(text=f"{_evict(service, notice)}\n")
            return web.Response(text=f"{_announce(service, event_type, notice)}\n")
        except ValueError as problem:
            return web.Response(status=400, text=f"{problem}\n")

    async def fault(request: web.Request) -> web.Response:
        word = request.match_info["trouble"]
        try:
            service.faults.all_parts(None if word == _NOTHING else Trouble(word))
        except ValueError:
            return web.Response(status=400, text=f"there is no fault {word!r}: give one of {_FAULTS}\n")
        return web.Response(text=f"from now on: {word}\n")

    return [web.post("/emulator/fault/{trouble}", fault), web.post("/emulator/{type}", announce)]


def _evict(service: MetadataService, notice: str) -> str:
    event_id = service.announcements.evict(service.machine.vm_id, read_notice(notice))
    return event_id or "evicted without notice"


def _evict_if_up(service: MetadataService, notice: str) -> None:
    try:
        _evict(service, notice)
    except ValueError as problem:
        _tell(str(problem))


def _announce(service: MetadataService, event_type: EventType, notice: str) -> str:
    wanted = read_notice(notice)
    if wanted is None:
        message = f"{event_type} without notice is nothing that the metadata service shows: give seconds, or started"
        raise NoticeError(message)
    lead = None if event_type is EventType.REBALANCE else wanted.lead
    event_id = service.announcements.announce(event_type, [service.machine.vm_id], lead, as_started=wanted.as_started)
    if wanted.called_off_after is not None:
        service.world.schedule(wanted.called_off_after, lambda: service.announcements.cancel(event_id))
    return event_id


def _welcome(service: MetadataService) -> str:
    types = ", ".join(event_type for event_type in EventType if event_type is not EventType.PREEMPT)
    return _WELCOME.format(url=service.url, name=service.machine.name, types=types, faults=_FAULTS)


def _tell_step(_at: datetime, event: ScheduledEvent, progress: Progress) -> None:
    when = f", not before {event.not_before.astimezone():%H:%M:%S}" if event.not_before else ""
    _tell(f"{event.event_type} {progress}{when if progress is Progress.ANNOUNCED else ''}")


def _tell(what: str) -> None:
    _say(f"{datetime.now().astimezone():%H:%M:%S}  {what}\n")


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


_IN_WORDS: Final = {
    Power.ON: "the VM runs again",
    Power.SHUTTING_DOWN: "the VM is shutting down",
    Power.OFF: "the VM is down, and not answered: end your program with SIGKILL, as this would have",
}
_WELCOME: Final = """\
The metadata service of a Spot VM called {name} listens at {url}: give your program that in place of
http://169.254.169.254. Ctrl-C ends it. To try, with imds={url}:
  curl --noproxy '*' -H Metadata:true "$imds/metadata/scheduledevents?api-version=2020-07-01"
  curl --noproxy '*' -H Metadata:true "$imds/metadata/instance/compute?api-version=2021-02-01"
  curl --noproxy '*' -X POST "$imds/emulator/Preempt?notice=10"   # evicted: after seconds, none, started, cancelled
  curl --noproxy '*' -X POST "$imds/emulator/Reboot?notice=60"    # or another of {types}
  curl --noproxy '*' -X POST "$imds/emulator/fault/silence"       # or another of {faults}
"""
