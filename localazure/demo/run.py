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
from localazure.demo.jobs.scenario import QUEUE, worker_command
from localazure.demo.jobs.worker_env import leave_work, remove_work
from localazure.demo.scenarios import TAG
from localazure.demo.timeline import Timeline
from localazure.demo.work_queue import scenario as work_queue
from localazure.laptop import RESIZER_CLIENT_ID, laptop_azure
from localazure.world.durations import Durations
from spot_responder.advised_command import CommandLine
from spot_responder.offerings.fallback_tag import TAG as FALLBACK_TAG

if TYPE_CHECKING:
    from pathlib import Path

    from localazure.demo.jobs.team_worker import OwnFunction
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
    "RESIZE_CLIENT_ID": RESIZER_CLIENT_ID,
}
FALLBACK: Final = {"vm-3": "Standard_D2as_v5"}
"""The VMs whose owners name other sizes already."""

WORKER: Final = "vm-1"
"""The VM that has the agent and a worker in it."""

PRICES: Final = {"Standard_D2s_v5": 0.0223, "Standard_D2as_v5": 0.0206, "Standard_F4s_v2": 0.0393}
"""Spot prices, in USD an hour, for `prices` and `sizes`."""

MAX_PRICES: Final = {"vm-5": 0.06}
"""The VMs with a max price, in USD an hour: `make price SIZE=Standard_F4s_v2 USD=0.07` raises the Spot price above."""

SIZES: Final = ("Standard_D2s_v5", "Standard_D2s_v5", "Standard_D2s_v5", "Standard_F4s_v2", "Standard_F4s_v2")


def run(folder: Path, own: OwnFunction | None = None) -> int:
    """Run until a person presses Ctrl-C; the timeline goes to standard output.

    ``own``: what the workers of the work queue call in place of the team's function.

    Raises:
        KeyboardInterrupt: if that comes before the world is up.
    """
    sys.stdout.write("Starting the laptop Azure, with the app in it …\n")
    sys.stdout.flush()
    asyncio.run(_stay(folder, own))
    return 0


async def _stay(folder: Path, own: OwnFunction | None) -> None:
    async with laptop_azure(folder, APP_SETTINGS, DURATIONS, work_queues=(work_queue.WORK_QUEUE,)) as laptop:
        ended = asyncio.Event()
        for stop in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(stop, ended.set)
        for number, size in enumerate(SIZES, 1):
            name = f"vm-{number}"
            named = {FALLBACK_TAG: FALLBACK[name]} if name in FALLBACK else {}
            max_price = MAX_PRICES.get(name, -1.0)
            laptop.world.add_vm(name, size=size, tags={**TAG, **named}, max_price=max_price)
        laptop.world.add_vm("untagged-1", size="Standard_B2s")
        for size, price in PRICES.items():
            laptop.world.set_price(size, "westeurope", price)
        timeline = Timeline(None, tells_each_job=True)
        timeline.listen(laptop)
        follow = asyncio.create_task(timeline.follow(laptop))
        await _listen(laptop, folder)
        leave_login(folder, "operator", laptop.operator)
        leave_login(folder, "owner", await laptop.log_in("owner"))
        leave_work(folder, laptop.work)
        await laptop.guests.install(WORKER, worker_command)
        await work_queue.add_vms_that_are_down(laptop, own)
        for machine in laptop.world.machines():
            await laptop.guests.open_metadata(machine.name)
        page = f"{laptop.host.url}/api/status?code={laptop.host.function_key}"
        command = CommandLine(local=True)
        texts = {"vms": _vms(laptop), "page": page, "status": command("status"), "queues": command("queues")}
        texts["job"] = _job(own)
        sys.stdout.write(_WELCOME.format(**texts, worker=WORKER, queue=QUEUE, work_queue=work_queue.QUEUE))
        sys.stdout.flush()
        await ended.wait()
        follow.cancel()
        (folder / ADDRESS_FILE).unlink(missing_ok=True)
        for login in LOGINS:
            remove_login(folder, login)
        remove_work(folder)


def _job(own: OwnFunction | None) -> str:
    """Give the command that writes jobs, one a line: thirty for the team's function; for another, its owner knows."""
    return f"echo 'a job of {own.name}'" if own else """seq 30 | sed 's/.*/{"number": &, "links": 40}/'"""


def _vms(laptop: Laptop) -> str:
    """List the VMs with their sizes, by which capacity is emptied and filled, and their metadata services."""
    services = laptop.guests.services.values()
    return "\n".join(
        f"  {one.machine.name:<12}{one.machine.size:<18}{one.url}{'' if one.machine.tags else '  without the tag'}"
        for one in services
    )


async def _listen(laptop: Laptop, folder: Path) -> None:
    runner = web.AppRunner(control_application(laptop), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    (folder / ADDRESS_FILE).write_text(f"http://127.0.0.1:{runner.addresses[0][1]}\n", encoding="utf-8")


_WELCOME: Final = """\
The laptop Azure is running, with the app in it. Its VMs, with what is 169.254.169.254 for their programs:
{vms}
In another terminal:
  make evict VM=vm-1                 Azure takes it away
  make evict VM=vm-1 NOTICE=10       the same, announced inside of the VM 10 seconds before
  make stop VM=vm-1                  its owner stops it
  make start VM=vm-1                 its owner starts it
  make empty POOL=Standard_D2s_v5    no capacity any more for that size: vm-1, vm-2, vm-3
  make fill POOL=Standard_D2s_v5     plenty of it again
  make fallback VM=vm-1 SIZES=Standard_D2as_v5   its owner names another size, as vm-3's has done: empty, then evict
  make price SIZE=Standard_D2as_v5 USD=0.03      the Spot price of a size
  {status}      what is going on (or explain vm-1, plan, hold vm-1, …)
  eval "$(make -s az-env)"           from then on az is its owner's: az vm list -d -o table
{worker} has the agent and a worker in it. To give it four jobs of a minute each, and see them go on after an eviction:
  eval "$(make -s worker-env)"
  seq 4 | sed 's/.*/{{"number": &, "links": 240}}/' | .venv/bin/spot-worker submit --queue {queue} -
  .venv/bin/spot-worker jobs --queue {queue}         (or workers, results, …)
The frame VMs are down while the queue {work_queue} has no jobs. To see them come up (within a minute), work and stop:
  {job} | .venv/bin/spot-worker submit --queue {work_queue} -
  make wake QUEUE={work_queue}             the app looks at the queue now, and not at its next sweep
  {queues}      what the queue asks for, and why
The status page: {page}
The app's log is .local/host.log. Ctrl-C ends it all. Times below are those that the commands show, in your time zone.
"""
