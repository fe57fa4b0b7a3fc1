"""The agent as its owner runs it: real processes, sockets, hooks and disk; and what it costs while nothing happens."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, Any, Final

from virtual_vm.real_vm import RealVm, preempt

from bench.machine import children, memory_mb, processor_seconds
from bench.stage import percentile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOTICES: Final = 100
"""Each in a run of its own: in a VM's life its eviction is the first event that the process acts upon, so what is done
for the first time then, such as an import or the first thread, counts every time."""

SIDE_BY_SIDE: Final = 2
IDLE_S: Final = 90.0
_SETTLED_S: Final = 1.5
_SETTLED_IDLE_S: Final = 10.0
_POLL_S: Final = 1.0
_HTTP_OK: Final = 200

REQUESTS_LOOP: Final = """
import sys, time, requests
while True:
    answer = requests.get(sys.argv[1], headers={"Metadata": "true"}, timeout=5)
    for event in answer.json()["Events"]:
        sys.exit("this loop is only measured while nothing happens")
    time.sleep(5)
"""
"""A plain agent while nothing happens."""


def notices(folder: Path) -> dict[str, Any]:
    """Evict VMs, each with 30 seconds of notice, and say how long it took until the first hook ran."""
    chance = Random(0)  # noqa: S311 - no secret
    offsets = [chance.uniform(0, _POLL_S) for _ in range(NOTICES)]
    folders = [folder / f"vm-{number}" for number in range(NOTICES)]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        waits = list(pool.map(_begin_and_evict, folders, offsets))
    return {
        "notices": len(waits),
        "p50_s": percentile(waits, 50),
        "p95_s": percentile(waits, 95),
        "p99_s": percentile(waits, 99),
        "slowest_s": round(max(waits), 3),
    }


def idle(folder: Path) -> dict[str, Any]:
    """Let nothing happen for a while, then evict the VM: processor time before, memory before and after.

    Beside it, in the same seconds, a plain agent's loop with ``requests`` asks the same metadata service.
    """
    with _vm(folder / "idle") as vm, _requests_loop(vm) as plain:
        agent = next(number for number, words in children().items() if "spot_agent run" in words)
        time.sleep(_SETTLED_IDLE_S)
        began, before = time.monotonic(), {number: processor_seconds(number) for number in (agent, plain.pid)}
        polls = len(vm.azure.polls)
        time.sleep(IDLE_S)
        took = time.monotonic() - began
        used = {number: processor_seconds(number) - before[number] for number in before}
        resident = {number: memory_mb(number, "VmRSS") for number in before}
        polls = len(vm.azure.polls) - polls
        plain.kill()
        _evict(vm)
        return {
            "seconds": round(took, 1),
            "polls_of_both": polls,
            "agent": {
                "percent_of_a_core": round(100 * used[agent] / took, 3),
                "resident_mb": resident[agent],
                "resident_at_most_mb": memory_mb(agent, "VmHWM"),
            },
            "loop_with_requests": {
                "percent_of_a_core": round(100 * used[plain.pid] / took, 3),
                "resident_mb": resident[plain.pid],
            },
        }


def _begin_and_evict(folder: Path, offset_s: float) -> float:
    with _vm(folder) as vm:
        time.sleep(_SETTLED_S + offset_s)
        return _evict(vm)


def _evict(vm: RealVm) -> float:
    """Show a notice; give the seconds until the first command of its hook."""
    shown, shown_at = preempt(), time.time()
    vm.azure.events = [shown]
    vm.until(lambda: vm.marks("begun"))
    # Killed before, the agent would leave the stand-in with half a request, of which it prints a traceback.
    vm.until(lambda: "told: ok" in vm.output())
    return float(vm.marks("begun")[0]) - shown_at


@contextmanager
def _vm(folder: Path) -> Iterator[RealVm]:
    """Give a VM whose agent is ready."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    vm = RealVm(folder)
    try:
        vm.hook("preempt/save", 'date +%s.%N > "$done/begun"')
        vm.begin()
        vm.until(lambda: vm.health() == _HTTP_OK)
        yield vm
    finally:
        vm.close()


@contextmanager
def _requests_loop(vm: RealVm) -> Iterator[subprocess.Popen[bytes]]:
    url = f"{vm.azure.url}/metadata/scheduledevents?api-version=2020-07-01"
    with subprocess.Popen([sys.executable, "-c", REQUESTS_LOOP, url], env={}) as loop:  # noqa: S603 - our own words
        try:
            yield loop
        finally:
            loop.kill()
