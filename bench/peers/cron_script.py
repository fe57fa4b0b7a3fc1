"""The cron script of the first days as it was: bash and Microsoft's az, each minute, in real time.

Its model: docs/azure-facts.md peers-1.

Unlike the other peers it speaks HTTP, so it plays in the whole laptop Azure, beside an app that only looks on.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.scenarios import AT_ONCE, SECOND, TAG
from localazure.demo.az_env import leave_login, lines
from localazure.laptop import laptop_azure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from localazure.laptop import Laptop
    from localazure.world.machines import Machine

REPOSITORY: Final = Path(__file__).resolve().parents[2]
AZ: Final = REPOSITORY / ".venv-az" / "bin" / "az"
SCRIPT: Final = Path(__file__).with_suffix(".sh")
GROUP: Final = "rg-spot"
EVERY_S: Final = 60.0
VMS: Final = 4
PATIENCE_S: Final = 420.0
_LOOK_S: Final = 0.1
_SWEEPLESS: Final = {"SWEEP_SCHEDULE": "0 0 0 1 1 *"}


@dataclass(frozen=True, slots=True)
class Counted:
    """What it took until all VMs ran again: seconds until the last one did, start requests, requests of any kind."""

    last_running_s: float | None
    start_calls: int
    requests: int

    def row(self, contender: str) -> dict[str, Any]:
        """Write it for ``bench.json``."""
        return {
            "contender": contender,
            "vms": VMS,
            "last_running_s": self.last_running_s,
            "start_calls": self.start_calls,
            "requests": self.requests,
        }


def is_installed() -> bool:
    """Whether ``make az-cli`` was run."""
    return AZ.exists()


def play_script(folder: Path) -> Counted:
    """Evict some VMs a moment after the script has run, and let it bring them back, a run each minute."""
    return asyncio.run(_play_script(folder))


def play_responder_in_real_time(folder: Path) -> Counted:
    """Let the responder bring as many back, in the same laptop Azure."""
    return asyncio.run(_play_responder(folder))


async def _play_script(folder: Path) -> Counted:
    async with laptop_azure(folder, {**_SWEEPLESS, "DRY_RUN": "true"}, AT_ONCE) as laptop:
        machines = _machines(laptop)
        leave_login(folder, "owner", await laptop.log_in("owner"))
        # Logged in before the clock starts, and run once: nothing is down yet.
        await _run_script(folder)
        began = _evict(laptop, machines)
        cron = asyncio.create_task(_each_minute(folder))
        try:
            return await _counted(laptop, machines, began, "owner")
        finally:
            cron.cancel()
            await asyncio.gather(cron, return_exceptions=True)


async def _play_responder(folder: Path) -> Counted:
    async with laptop_azure(folder, _SWEEPLESS, AT_ONCE) as laptop:
        machines = _machines(laptop)
        return await _counted(laptop, machines, _evict(laptop, machines), "responder")


def _machines(laptop: Laptop) -> list[Machine]:
    return [laptop.world.add_vm(f"vm-{number}", resource_group=GROUP, tags=TAG) for number in range(VMS)]


def _evict(laptop: Laptop, machines: Sequence[Machine]) -> float:
    laptop.world.advance(laptop.clock.now())
    for machine in machines:
        laptop.world.evict(machine.name)
    return asyncio.get_running_loop().time()


async def _each_minute(folder: Path) -> None:
    """Run it a minute after the run before the eviction, and so on."""
    runs: set[asyncio.Task[None]] = set()
    while True:
        await asyncio.sleep(EVERY_S)
        # cron waits for no run; the lock does that.
        runs.add(asyncio.create_task(_run_script(folder)))


async def _run_script(folder: Path) -> None:
    code = f"{lines(folder, 'owner', AZ.parent)}exec '{SCRIPT}' {GROUP} '{folder}/lock'"
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        code,
        env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _counted(laptop: Laptop, machines: Sequence[Machine], began: float, principal: str) -> Counted:
    loop = asyncio.get_running_loop()
    already = len(laptop.world.calls)
    # An eviction first of all takes the VM down.
    await asyncio.sleep((AT_ONCE.deallocation + SECOND).total_seconds())
    # Nothing tells of it but the world itself.
    while not all(machine.running_at for machine in machines) and loop.time() < began + PATIENCE_S:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_S)
    ended = loop.time()
    return Counted(
        last_running_s=round(ended - began, 1) if all(machine.running_at for machine in machines) else None,
        start_calls=sum(len(machine.start_calls) for machine in machines),
        requests=sum(1 for call in laptop.world.calls[already:] if call.principal == principal),
    )
