"""One schedule: jobs are submitted, VMs come and go, storage fails; then all is calm, and everything must end."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Final

from spot_worker.deciding.messages import read_message, write_message

from localazure.virtual.loop import JumpingLoop
from soak.worker.account import Account
from soak.worker.faults import RECORDS, SERVICES, Weather
from soak.worker.jobs import draw
from soak.worker.known import POISON
from soak.worker.operator import requeued
from soak.worker.outside import Line
from soak.worker.promises import OPERATOR, QUEUE, Judge
from soak.worker.vm import Vm, World
from soak.worker.wire import Request, Wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

_CALM_S: Final = 2400.0
"""Within so long all must be over: pauses after failures are a minute at most."""
_LOOK_S: Final = 5.0
_OPERATOR_S: Final = 40.0
"""An operator's command has ended by then, one way or the other."""
_GAPS_S: Final = (0.0, 0.05, 0.4, 2.0, 4.0, 9.0, 16.0)


class Story:
    """What happens in one schedule."""

    def __init__(self, seed: int, chance: Random, told: Callable[[str], None]) -> None:
        """Set the scene."""
        max_failures = chance.choice((2, 5))
        self.chance, self.judge, self.loop = chance, Judge(seed, max_failures), JumpingLoop()
        account = Account(self.loop.time, chance, self.judge.watch)
        weather = Weather(chance, chance.choice((0.0, 0.01, 0.04, 0.15)))
        self.world = World(
            self.loop, account, weather, self.judge, chance, max_failures, told, self.loop.create_future()
        )
        self.judge.account = account
        self.vms = [
            Vm(self.world, f"vm-{number + 1}", chance.choice((1, 1, 2))) for number in range(chance.choice((2, 2, 3)))
        ]
        self._numbers = itertools.count(1)

    def play(self) -> None:
        """Let it happen."""
        try:
            asyncio.set_event_loop(self.loop)
            self._begin()
            for _ in range(self.chance.randint(8, 28)):
                self.loop.run_until(self.loop.time() + self.chance.choice(_GAPS_S))
                self.chance.choice(_HAPPENINGS)(self)
            self._calm_down()
            until = self.loop.time() + _CALM_S
            self.loop.run_until(self.loop.time() + _OPERATOR_S)
            self._requeue(only_begun=True)
            while self.loop.time() < until and self.judge.left() and not self.judge.findings.broken:
                self.loop.run_until(self.loop.time() + _LOOK_S)
            self.loop.run_until(self.loop.time() + _LOOK_S)
            self.judge.findings.faults = self.world.weather.faults
            self.judge.judge_the_end()
        finally:
            self._close()

    def _begin(self) -> None:
        for _ in range(self.chance.randint(1, 4)):
            self._submit()
        for vm in self.vms:
            vm.starts()

    def _calm_down(self) -> None:
        self.world.weather.clears()
        for vm in self.vms:
            vm.is_spared()
            vm.breaks = False
            if vm.process is not None:
                vm.process.doom.in_requests = None
                vm.process.line.rate = 20_000_000.0

    def _submit(self) -> None:
        """Submit a job: ours, or the plain text of somebody else; or the same message twice, as a lost answer does."""
        number = next(self._numbers)
        body = draw(self.chance, QUEUE, number)
        text = write_message(f"job-{number}", body)
        self.judge.submits(f"job-{number}", body)
        for _ in range(1 + (self.chance.randrange(5) == 0)):
            self.world.account.put("somebody", QUEUE, text)

    def _kill(self) -> None:
        """Kill a worker, now or amid what it does next."""
        vm = self.chance.choice(self.vms)
        if self.chance.randrange(3) == 0:
            vm.is_killed()
        else:
            self._trouble(vm)

    def _kill_function(self) -> None:
        """Kill the process of a function."""
        vm = self.chance.choice(self.vms)
        if vm.process is not None:
            vm.process.children.die()

    def _notice(self) -> None:
        self.chance.choice(self.vms).is_noticed(self.chance.choice((8.0, 15.0, 30.0, 30.0, 300.0)))

    def _spare(self) -> None:
        self.chance.choice(self.vms).is_spared()

    def _terminate(self) -> None:
        self.chance.choice(self.vms).is_terminated()

    def _reload(self) -> None:
        """Let new code take over, which starts when what runs is done."""
        process = self.chance.choice(self.vms).process
        if process is not None:
            process.stopping.reload()

    def _freeze(self) -> None:
        """Let a VM stand still, now or amid what it does next."""
        vm, seconds = self.chance.choice(self.vms), self.chance.choice((1.0, 6.0, 12.0, 14.0, 18.0, 40.0))
        if self.chance.randrange(3) == 0:
            vm.is_frozen(seconds)
        else:
            self._trouble(vm, seconds)

    def _trouble(self, vm: Vm, frozen_s: float = 0.0) -> None:
        """Have it at any request, or just where a claim, a checkpoint or a result is written."""
        if self.chance.randrange(2):
            vm.is_in_trouble_soon(self.chance.randint(1, 10), frozenset(Request), frozen_s)
        else:
            vm.is_in_trouble_soon(self.chance.randint(1, 3), RECORDS, frozen_s)

    def _break(self) -> None:
        """Let a service of storage fail, or answer slowly."""
        if self.chance.randrange(3) == 0:
            self.world.weather.is_slow = True
        else:
            self.world.weather.out = self.chance.choice(SERVICES)

    def _heal(self) -> None:
        """Let storage do as it did."""
        self.world.weather.out, self.world.weather.is_slow = frozenset(), False
        for vm in self.vms:
            vm.breaks = False

    def _slow_uploads(self) -> None:
        process = self.chance.choice(self.vms).process
        if process is not None:
            process.line.rate = self.chance.choice((3_000.0, 50_000.0, 20_000_000.0))

    def _show_early(self) -> None:
        """Let the queue give a message to a second worker while the first one has it."""
        messages = list(self.world.account.queues.get(QUEUE, {}).values())
        if messages:
            self.chance.choice(messages).visible_at = self.loop.time()

    def _spoil(self) -> None:
        """Let a checkpoint in storage be cut, or a disk's copy of one."""
        account = self.world.account
        names = sorted(name for name in account.blobs if not name.endswith("pointer.json"))
        if names:
            name = self.chance.choice(names)
            account.spoil(name)
            self.judge.jobs[name.split("/")[1]].is_corrupted = True

    def _requeue(self, *, only_begun: bool = False) -> None:
        """Let an operator requeue what was given up; or only try again what failed in the middle."""
        line = Line(self.world.account, Wire(self.world.weather, self.world.end_of_time, lambda: None), OPERATOR)
        for message in list(self.world.account.queues.get(POISON, {}).values()):
            known = self.judge.jobs[read_message(message.message_id, message.text).id]
            if only_begun and known.pointer["outcome"]:
                continue
            self.world.tasks.add(self.loop.create_task(requeued(line, message)))

    def _break_import(self) -> None:
        """Let the function's module be one that cannot be imported, until it is mended."""
        self.chance.choice(self.vms).breaks = True

    def _close(self) -> None:
        """End all that still runs, as if every process died."""
        for vm in self.vms:
            if vm.process is not None:
                vm.process.wire.is_dead = vm.process.is_killed = True
        self.world.end_of_time.cancel()
        while running := asyncio.all_tasks(self.loop):
            for task in running:
                task.cancel()
            self.loop.run_until(self.loop.time() + _LOOK_S)
        asyncio.set_event_loop(None)
        self.loop.close()


_HAPPENINGS: Final[tuple[Callable[[Story], None], ...]] = (
    Story._submit,  # noqa: SLF001 - its own methods
    Story._submit,  # noqa: SLF001
    Story._submit,  # noqa: SLF001
    Story._kill,  # noqa: SLF001
    Story._kill,  # noqa: SLF001
    Story._kill,  # noqa: SLF001
    Story._kill_function,  # noqa: SLF001
    Story._notice,  # noqa: SLF001
    Story._notice,  # noqa: SLF001
    Story._spare,  # noqa: SLF001
    Story._terminate,  # noqa: SLF001
    Story._reload,  # noqa: SLF001
    Story._freeze,  # noqa: SLF001
    Story._freeze,  # noqa: SLF001
    Story._break,  # noqa: SLF001
    Story._heal,  # noqa: SLF001
    Story._heal,  # noqa: SLF001
    Story._slow_uploads,  # noqa: SLF001
    Story._show_early,  # noqa: SLF001
    Story._spoil,  # noqa: SLF001
    Story._break_import,  # noqa: SLF001
    Story._requeue,  # noqa: SLF001
)
