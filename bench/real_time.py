"""The whole in real time: real host process, Azurite, TLS, Microsoft's worker library and SDKs."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from random import Random
from typing import TYPE_CHECKING, Any, Final

from bench.machine import children, processor_seconds
from bench.scenarios import AT_ONCE, SECOND, TAG
from bench.stage import percentile
from localazure.event_grid.event_log import Step
from localazure.functions.shipped_log import shipped
from localazure.laptop import laptop_azure
from spot_responder.decisions.publishing.published_events import CLOSED_TYPE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from localazure.laptop import Laptop
    from localazure.world.machines import Machine

LAPTOPS: Final = 4
"""So many laptop Azures side by side: each sees an eviction only when it is idle again, and there are 200 to see. Two
cores carry four of them, where nothing else is at work."""

SINGLES: Final = 200
PAUSE_S: Final = (5.5, 7.5)
"""From one eviction to the next: the last message is seen to after three seconds and a half, and after two more the
host looks at its queue hardly more often than it does when nothing comes at all."""

SETTLED_S: Final = 6.0
STORM_VMS: Final = 1000
STORM_WITHIN_S: Final = 10.0
STORM_PATIENCE_S: Final = 170.0
_LOOK_S: Final = 1.0
_SETTINGS: Final = {"SWEEP_SCHEDULE": "0 0 0 1 1 *"}
_QUICK: Final = {**_SETTINGS, "LOOK_AGAIN_SECONDS": "300"}
_SUCCEEDED: Final = re.compile(r"^(\S+ \S+) INFO localazure.functions.triggers: on_signal succeeded in ([0-9.]+) s")
_ACCEPTED: Final = 202


@dataclass(frozen=True, slots=True)
class Stages:
    """Where the time of one eviction went, in seconds."""

    event_grid: float
    queue_poll: float
    worker_and_row: float
    graph: float
    arm_and_rows: float
    whole: float


def singles(folder: Path) -> dict[str, Any]:
    """Evict 200 VMs one by one, each in an idle app, and say where the time goes, and what of the log is paid for."""
    stages, logs = asyncio.run(_singles(folder))
    whole = [each.whole for each in stages]
    return {
        "evictions": len(stages),
        "p50_s": percentile(whole, 50),
        "p95_s": percentile(whole, 95),
        "p99_s": percentile(whole, 99),
        "stages_p50_s": {name: percentile([getattr(each, name) for each in stages], 50) for name in Stages.__slots__},
        "stages_p99_s": {name: percentile([getattr(each, name) for each in stages], 99) for name in Stages.__slots__},
        "log_bytes": _log_bytes(logs, len(stages)),
    }


async def _singles(folder: Path) -> tuple[list[Stages], list[Path]]:
    async with AsyncExitStack() as stack:
        laptops = [
            await stack.enter_async_context(laptop_azure(folder / f"laptop-{number}", _QUICK, _ONE_BY_ONE))
            for number in range(LAPTOPS)
        ]
        played = await asyncio.gather(*(_evict_one_by_one(laptop, number) for number, laptop in enumerate(laptops)))
    return [stages for each in played for stages in each], [laptop.host_log for laptop in laptops]


async def _evict_one_by_one(laptop: Laptop, number: int) -> list[Stages]:
    chance = Random(number)  # noqa: S311 - no secret
    await asyncio.sleep(SETTLED_S + chance.uniform(0, PAUSE_S[1]))
    machines = []
    for each in range(SINGLES // LAPTOPS):
        machine = laptop.world.add_vm(f"vm-{each:03d}", tags=TAG)
        laptop.world.evict(machine.name)
        machines.append(machine)
        await asyncio.sleep(chance.uniform(*PAUSE_S))
    runs = _runs(laptop.host_log)
    return [stages for machine in machines if (stages := _stages(laptop, machine, runs))]


def _runs(host_log: Path) -> list[tuple[datetime, datetime]]:
    """Read when the function began and ended, each time."""
    runs = []
    for line in host_log.read_text("utf-8").splitlines():
        found = _SUCCEEDED.match(line)
        if found:
            ended = datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S,%f").replace(tzinfo=UTC)
            runs.append((ended - timedelta(seconds=float(found[2])), ended))
    return runs


def _stages(laptop: Laptop, machine: Machine, runs: Sequence[tuple[datetime, datetime]]) -> Stages | None:
    accepted = next((call.at for call in machine.start_calls if call.status == _ACCEPTED), None)
    if accepted is None:
        return None
    entries = laptop.event_grid.log.of(machine.vm_id)
    emitted = min(entry.at for entry in entries if entry.step is Step.EMITTED)
    delivered = min(entry.at for entry in entries if entry.step is Step.DELIVERED)
    began = min((begin for begin, end in runs if begin <= accepted <= end), default=delivered)
    calls = [call for call in laptop.world.calls if delivered <= call.at <= accepted]
    read = max(call.at for call in calls if call.vm_id == machine.vm_id and call.method == "GET")
    queries = [call.at for call in calls if call.operation.startswith("Microsoft.ResourceGraph") and call.at <= read]
    asked = max(queries, default=read)

    def seconds(since: datetime, until: datetime) -> float:
        return round((until - since).total_seconds(), 3)

    return Stages(
        event_grid=seconds(emitted, delivered),
        queue_poll=seconds(delivered, began),
        worker_and_row=seconds(began, asked),
        graph=seconds(asked, read),
        # ARM's answer, the pool's row, the follow-up and the recovery's row: all before the start is asked for.
        arm_and_rows=seconds(read, accepted),
        whole=seconds(emitted, accepted),
    )


def storm(folder: Path) -> dict[str, Any]:
    """Evict 1,000 VMs of one subscription within 10 seconds, and count.

    In a process of its own: the world answers slowly from one that the parts before left full of objects.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as alone:
        return alone.submit(_storm_here, folder).result()


def _storm_here(folder: Path) -> dict[str, Any]:
    return asyncio.run(_storm(folder))


async def _storm(folder: Path) -> dict[str, Any]:
    # In memory, Azurite looks once a minute which messages are gone, and after thousands of them it stands still for 15
    # to 22 seconds over that; on disk many messages share a file, and it does not.
    storage = folder / "storage"
    shutil.rmtree(storage, ignore_errors=True)
    async with laptop_azure(folder / "storm", _SETTINGS, AT_ONCE, storage_folder=storage) as laptop:
        processes = {_short(words): number for number, words in children().items()}
        used = {name: processor_seconds(number) for name, number in processes.items()}
        machines = [laptop.world.add_vm(f"vm-{number:04d}", tags=TAG) for number in range(STORM_VMS)]
        began = laptop.clock.now()
        evicting = asyncio.create_task(_evict_all(laptop, machines))
        while (laptop.clock.now() - began).total_seconds() < STORM_PATIENCE_S:
            await asyncio.sleep(_LOOK_S)
            if all(machine.running_at and machine.start_calls for machine in machines) and _closed(laptop) >= STORM_VMS:
                break
        await evicting
        used = {name: round(processor_seconds(number) - used[name], 1) for name, number in processes.items()}
        told = _told(laptop, machines, began) | {"processor_s": used, "log_lines": _log_lines(laptop.host_log)}
        return told | {"log_bytes": _log_bytes([laptop.host_log], len(machines))}


async def _evict_all(laptop: Laptop, machines: Sequence[Machine]) -> None:
    began = laptop.clock.now()
    for number, machine in enumerate(machines):
        await laptop.clock.sleep_until(began + STORM_WITHIN_S * SECOND * number / len(machines))
        laptop.world.advance(laptop.clock.now())
        laptop.world.evict(machine.name)


def _told(laptop: Laptop, machines: Sequence[Machine], began: datetime) -> dict[str, Any]:
    accepted = [call.at for machine in machines for call in machine.start_calls if call.status == _ACCEPTED]
    operations = Counter(call.operation.rpartition("/")[0].rpartition("/")[2] for call in laptop.world.calls)
    throttled = sum(1 for call in laptop.world.calls if call.status == 429)  # noqa: PLR2004 - too many
    started = sum(1 for machine in machines if machine.start_calls)
    return {
        "vms": len(machines),
        "started": started,
        "last_accepted_s": (max(accepted) - began).total_seconds() if started == len(machines) else None,
        "start_calls": sum(len(machine.start_calls) for machine in machines),
        "graph_queries": sum(1 for call in laptop.world.calls if call.operation.startswith("Microsoft.ResourceGraph")),
        "throttled": throttled,
        "requests": dict(operations),
    }


def _closed(laptop: Laptop) -> int:
    return sum(1 for event in laptop.outcomes.published if event["type"] == CLOSED_TYPE)


def _log_lines(host_log: Path) -> dict[str, int]:
    events: Counter[str] = Counter()
    for line in host_log.read_text("utf-8").splitlines():
        _, _, message = line.partition(" spot_responder: ")
        if message.startswith("{"):
            events[json.loads(message).get("event", "")] += 1
    return dict(events)


def _log_bytes(host_logs: Sequence[Path], recoveries: int) -> dict[str, int]:
    """Count the bytes that the worker sends to Application Insights for each recovery, by who logs them."""
    sizes: Counter[str] = Counter()
    for record in (record for log in host_logs for record in shipped(log)):
        sizes[record.logger] += record.size
    by_logger = {logger: round(size / recoveries) for logger, size in sizes.most_common()}
    return {"for_each_recovery": round(sizes.total() / recoveries), **by_logger}


def _short(words: str) -> str:
    return "azurite" if words.startswith("node") else "app and host"


_ONE_BY_ONE: Final = type(AT_ONCE)(
    until_unavailable=0.1 * SECOND, deallocation=0.1 * SECOND, start=0.5 * SECOND, failed_start=0.5 * SECOND
)
