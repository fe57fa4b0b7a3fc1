"""Simpler rules for the same work: KEDA's, applied to VMs; a timer; and one VM for each job."""

from __future__ import annotations

import asyncio
from math import ceil
from typing import TYPE_CHECKING, Final

from localazure.world.machines import PowerState
from soak.work.worker import LONGEST_BOOT_S

if TYPE_CHECKING:
    from bench.work.stage import Peer, Stage
    from localazure.virtual.work import Job

_POLLS_S: Final = 30.0
_COOLDOWN_S: Final = 300.0
"""KEDA's ``pollingInterval`` and ``cooldownPeriod``, and the time over which Kubernetes takes the most that was wanted
before it takes machines away: facts of KEDA's documentation, whose defaults these are."""

_TIMER_S: Final = 300.0
_TICK_S: Final = 1.0


def keda(target: int) -> Peer:
    """Want ceil(visible / target) VMs, and take away what has been too many for the whole cooldown."""

    async def run(stage: Stage) -> None:
        wanted: list[int] = []
        while True:
            wanted = [*wanted, ceil(len(stage.queue.visible) / target)][-int(_COOLDOWN_S / _POLLS_S) :]
            running = stage.running()
            for machine in stage.down()[: max(wanted[-1] - len(running), 0)]:
                stage.start(machine)
            for machine in running[max(wanted) :]:
                if machine.power_state is PowerState.RUNNING:
                    stage.stop(machine)
            await asyncio.sleep(_POLLS_S)

    return run


async def timer(stage: Stage) -> None:
    """Look each five minutes: start all VMs where there are messages, stop all where there are none."""
    while True:
        if stage.queue.left:
            for machine in stage.down():
                stage.start(machine)
        else:
            for machine in stage.running():
                if machine.power_state is PowerState.RUNNING:
                    stage.stop(machine)
        await asyncio.sleep(_TIMER_S)


async def seed(stage: Stage) -> None:
    """Choose a VM for each job when it arrives, start it, let it work, stop it when it says that it is done."""
    begun: set[Job] = set()
    working: set[asyncio.Task[None]] = set()
    taken: set[str] = set()
    for worker in stage.farm.workers:
        worker.boots = False  # the VM works on what it was started for
    while True:
        for job in [job for job in stage.jobs if job not in begun]:
            free = next((machine for machine in stage.down() if machine.name not in taken), None)
            if free is None:
                break
            begun.add(job)
            taken.add(free.name)
            stage.start(free)
            task = asyncio.ensure_future(_one_job(stage, free.name, job, taken))
            working.add(task)
            task.add_done_callback(working.discard)
        await asyncio.sleep(_TICK_S)


async def _one_job(stage: Stage, name: str, job: Job, taken: set[str]) -> None:
    """Do a job on its VM; an eviction ends both, and nobody notices."""
    machine = stage.world.machine(name)
    while machine.power_state is PowerState.STARTING:  # noqa: ASYNC110 - by the world's clock
        await asyncio.sleep(_TICK_S)
    await asyncio.sleep(LONGEST_BOOT_S)
    job.claimed_at = stage.clock.now()
    for _ in range(ceil(job.seconds / _TICK_S)):
        await asyncio.sleep(_TICK_S)
        if machine.power_state is not PowerState.RUNNING:
            return
    job.done_at = stage.clock.now()
    stage.stop(machine)
    taken.discard(name)
