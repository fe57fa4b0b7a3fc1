"""The world of ``make run``: a handful of VMs that a person evicts, stops and starts from another terminal."""

from __future__ import annotations

import asyncio
import signal
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from aiohttp import web

from localazure.demo.az_env import LOGINS, leave_login, remove_login
from localazure.demo.control import ADDRESS_FILE, control_application
from localazure.demo.scenarios import TAG
from localazure.demo.timeline import Timeline
from localazure.laptop import laptop_azure
from localazure.world.durations import Durations
from spot_responder.advised_command import CommandLine

if TYPE_CHECKING:
    from pathlib import Path

    from localazure.laptop import Laptop

SECOND: Final = timedelta(seconds=1)
DURATIONS: Final = Durations(
    until_unavailable=SECOND,
    deallocation=5 * SECOND,
    start=8 * SECOND,
    failed_start=4 * SECOND,
    until_simulated_eviction=5 * SECOND,
)
APP_SETTINGS: Final = {
    "SWEEP_SCHEDULE": "0 * * * * *",
    "LOOK_AGAIN_SECONDS": "3",
    "CAPACITY_RETRY_SECONDS": "10",
    "CAPACITY_RETRY_MAX_SECONDS": "60",
    "PRICE_RETRY_SECONDS": "30",
}
SIZES: Final = ("Standard_D2s_v5", "Standard_D2s_v5", "Standard_D2s_v5", "Standard_F4s_v2", "Standard_F4s_v2")


def run(folder: Path) -> int:
    """Run until a person presses Ctrl-C; the timeline goes to standard output.

    Raises:
        KeyboardInterrupt: if that comes before the world is up.
    """
    sys.stdout.write("Starting the laptop Azure, with the app in it …\n")
    sys.stdout.flush()
    asyncio.run(_stay(folder))
    return 0


async def _stay(folder: Path) -> None:
    async with laptop_azure(folder, APP_SETTINGS, DURATIONS) as laptop:
        ended = asyncio.Event()
        for stop in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(stop, ended.set)
        for number, size in enumerate(SIZES, 1):
            laptop.world.add_vm(f"vm-{number}", size=size, tags=TAG)
        laptop.world.add_vm("untagged-1", size="Standard_B2s")
        timeline = Timeline(None)
        laptop.world.listen(timeline.happened)
        laptop.event_grid.log.listen(timeline.event)
        follow = asyncio.create_task(timeline.follow(laptop))
        await _listen(laptop, folder)
        leave_login(folder, "operator", laptop.operator)
        leave_login(folder, "owner", await laptop.log_in("owner"))
        page = f"{laptop.host.url}/api/status?code={laptop.host.function_key}"
        sys.stdout.write(_WELCOME.format(vms=_vms(laptop), page=page, command=CommandLine(local=True)("status")))
        sys.stdout.flush()
        await ended.wait()
        follow.cancel()
        (folder / ADDRESS_FILE).unlink(missing_ok=True)
        for login in LOGINS:
            remove_login(folder, login)


def _vms(laptop: Laptop) -> str:
    """List the VMs with their sizes: capacity is emptied and filled by size."""
    machines = laptop.world.machines()
    return "\n".join(f"  {one.name:<12}{one.size}{'' if one.tags else ', without the tag'}" for one in machines)


async def _listen(laptop: Laptop, folder: Path) -> None:
    runner = web.AppRunner(control_application(laptop), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    (folder / ADDRESS_FILE).write_text(f"http://127.0.0.1:{runner.addresses[0][1]}\n", encoding="utf-8")


_WELCOME: Final = """\
The laptop Azure is running, with the app in it. Its VMs, all Spot:
{vms}
In another terminal:
  make evict VM=vm-1                 Azure takes it away
  make stop VM=vm-1                  its owner stops it
  make start VM=vm-1                 its owner starts it
  make empty POOL=Standard_D2s_v5    no capacity any more for that size: vm-1, vm-2, vm-3
  make fill POOL=Standard_D2s_v5     plenty of it again
  {command}      what is going on (or explain vm-1, plan, hold vm-1, …)
  eval "$(make -s az-env)"           from then on az is its owner's: az vm list -d -o table
The status page: {page}
The app's log is .local/host.log. Ctrl-C ends it all. Times below are those that the commands show, in your time zone.
"""
