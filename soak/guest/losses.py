"""The second story: the power is lost at random moments, amid work, boots and recoveries; nothing of the work is."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from localazure.world.machines import PowerState
from soak.command_line import say
from soak.guest.real_vm import BrokenError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from soak.guest.plan import Loss
    from soak.guest.real_vm import RealVm

_LINKS: Final = 40
_FEWEST_OPEN: Final = 3
_ENDING_S: Final = 600.0


@dataclass(slots=True)
class Findings:
    """What the losses came to. ``broken``: a line for each promise that was."""

    losses: int = 0
    recoveries: int = 0
    rows: int = 0
    jobs: int = 0
    results: int = 0
    stories: int = 0
    hung_boots: int = 0
    broken: list[str] = field(default_factory=list)


async def lose_power_at_random(vm: RealVm, rows: Sequence[Sequence[Loss]], found: Findings) -> None:
    """Play it: after each row of losses the VM comes to work again, and is looked at."""
    total = sum(map(len, rows))
    for row in rows:
        await keep_busy(vm)
        for loss in row:
            await asyncio.sleep(loss.after_s)
            said = "without notice" if loss.notice_s is None else f"{loss.notice_s} s after a notice"
            say(f"-- loss {found.losses + 1} of {total}: {loss.after_s} s after the last step, {said}")
            await _lose(vm, loss)
            found.losses += 1
            await vm.switch_on()
        found.rows += 1
        await _look(vm, found)


async def _lose(vm: RealVm, loss: Loss) -> None:
    await vm.until(lambda: vm.guest.machine.power_state is PowerState.RUNNING, "it runs")
    await vm.lose_power(loss.notice_s)


async def keep_busy(vm: RealVm) -> None:
    """See to it that there is work to lose."""
    is_open = len(vm.submitted) - len(set(vm.finished))
    if is_open < _FEWEST_OPEN:
        await vm.submit(_FEWEST_OPEN - is_open, _LINKS)


async def _look(vm: RealVm, found: Findings) -> None:
    """Look at the VM after a boot that nobody cut off."""
    try:
        await vm.until_at_work()
        found.recoveries += 1
        await vm.until(lambda: bool(vm.worker_lines("saved") or vm.worker_lines("finished")), "the work goes on")
    except BrokenError as error:
        found.broken.append(f"after loss {found.losses}: {error}")
    found.broken += [f"after loss {found.losses}: {unit} is failed" for unit in await vm.failed_units()]


async def judge(vm: RealVm, found: Findings) -> None:
    """Let the worker end what there is, and hold the results against the jobs. It may be done again later."""
    results = await vm.until_all_done(_ENDING_S)
    found.jobs, found.results = len(vm.submitted), len(results)
    counts = Counter(row["result"]["number"] for row in results)
    lines = [f"job {number} has {counts[number]} results" for number in vm.submitted if counts[number] != 1]
    lines += [f"a wrong result: {row}" for row in results if not vm.is_right(row)]
    lines += [f"{job} was finished {times} times" for job, times in Counter(vm.finished).items() if times > 1]
    found.broken += [line for line in lines if line not in found.broken]
