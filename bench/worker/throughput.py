"""How much one undisturbed VM gets done with jobs of a second, and how many requests to storage a job costs."""

from __future__ import annotations

import statistics
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from bench.worker.brokers import brokered
from bench.worker.contenders import SLOTS
from bench.worker.contest import fresh, read, submit, until
from bench.worker.storage import NOTHING_THERE, account, counted
from bench.worker.vms import Vm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from bench.worker.contenders import Contender
    from bench.worker.outcome import Line
    from bench.worker.storage import Account

JOB_S: Final = 1.0
JOBS: Final = 40
ROUNDS: Final = 3
"""Everybody works once in each round, so that whatever else the machine does is spread over all."""

_SHORT_JOB_S: Final = 0.2
_FEW: Final = 10
_MANY: Final = 50


async def rates(contenders: Sequence[Contender], folder: Path) -> dict[str, dict[str, Any]]:
    """Give jobs a second of each contender, median of the rounds, and as a share of what two slots could do at most."""
    seen: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for _ in range(ROUNDS):
        for contender in contenders:
            seen[contender.name].append(await _rate(contender, folder))
    return {
        name: {
            "jobs_a_second": round(statistics.median(rounds), 3),
            "rounds": [round(rate, 3) for rate in rounds],
            "share_of_all_slots": round(statistics.median(rounds) * JOB_S / SLOTS, 3),
        }
        for name, rounds in seen.items()
    }


async def requests(contender: Contender, folder: Path) -> dict[str, Any]:
    """Give the requests of a job: of 50 jobs less those of 10, so that start and end of a run do not count.

    Looks into an empty queue, of which a run has now one more and now one less, are no part of a job.
    """
    few, many = [await _requests(contender, jobs, folder) for jobs in (_FEW, _MANY)]
    more = Counter({kind: many[kind] - few[kind] for kind in many if kind != NOTHING_THERE})
    return {
        "a_job": round(more.total() / (_MANY - _FEW), 2),
        "by_kind": {kind: round(number / (_MANY - _FEW), 2) for kind, number in sorted(more.items())},
    }


async def undisturbed(
    contender: Contender, folder: Path, bodies: Sequence[Mapping[str, Any]], seen: Counter[str] | None = None
) -> Sequence[Line]:
    """Let one VM do all jobs; give what the jobs told. ``seen`` counts the worker's requests, nobody else's."""
    log = fresh(folder) / "log"
    async with account() as storage, brokered(contender, storage, folder) as (broker, left):
        await submit(contender, contender.environment(storage, broker, log), bodies)
        async with _seen_by(seen, contender, storage, broker) as (for_worker, its_broker):
            vm = Vm(folder / "vm", contender.worker, contender.environment(for_worker, its_broker, log))
            await vm.begin()
            try:
                await until(lambda: sum(line["what"] == "ended" for line in read(log)) == len(bodies) and left() == 0)
            finally:
                await vm.kill()
    return read(log)


@asynccontextmanager
async def _seen_by(
    seen: Counter[str] | None, contender: Contender, storage: Account, broker: str
) -> AsyncIterator[tuple[Account, str]]:
    if seen is None:
        yield storage, broker
        return
    async with counted(storage, seen) as by_proxy:
        yield by_proxy, by_proxy.broker if contender.queue else broker


async def _rate(contender: Contender, folder: Path) -> float:
    lines = await undisturbed(contender, folder, _jobs(JOBS, JOB_S))
    begun = [float(line["at"]) for line in lines if line["what"] == "began"]
    # From when all slots are at work until the last job begins.
    return (JOBS - SLOTS) / (begun[-1] - begun[SLOTS - 1])


async def _requests(contender: Contender, jobs: int, folder: Path) -> Counter[str]:
    seen: Counter[str] = Counter()
    await undisturbed(contender, folder, _jobs(jobs, _SHORT_JOB_S), seen)
    return seen


def _jobs(number: int, seconds: float) -> Sequence[Mapping[str, Any]]:
    return [{"number": each, "seconds": seconds} for each in range(number)]
