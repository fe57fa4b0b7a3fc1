"""What happens in one schedule: work arrives, owners and operators act, VMs are evicted, workers die, hang and lie.

Called by ``schedule.py``, which draws the weather that it happens in.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final

from azure.core.exceptions import AzureError
from spot_worker.deciding.rows import Doing
from spot_worker.deciding.stops.own_stop import OwnStop

from localazure.event_grid.azure_events import DeliverySchema, azure_event
from localazure.virtual.wire import RequestKind
from localazure.world.azure_errors import Refused
from localazure.world.happenings import ActionSucceeded
from localazure.world.machines import PowerState
from localazure.world.world import OWNER
from soak.responder.faults import REFUSALS, START_CODES, STUCK_WITH, Outage
from soak.responder.seen import is_stop
from soak.work.worker import Worker
from spot_responder.intake.vms import VmId
from spot_responder.operators.act import hold, release, retry
from spot_responder.responder.ports import ChangedMeanwhileError, StoreFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from localazure.virtual.azure import VirtualAzure
    from localazure.virtual.work import Job
    from localazure.world.happenings import Happening
    from localazure.world.machines import Machine
    from soak.work.worker import Farm
    from spot_responder.demand.work_queues import WorkQueue
    from spot_responder.intake.work_queue_names import WorkQueueName

RESTART_TAG: Final = {"AttemptRestartAfterEviction": "true"}
_SIZES: Final = ("Standard_D2s_v5", "Standard_D2s_v5", "Standard_D4s_v5")
_NOT_MINE: Final = frozenset({RequestKind.VM_RESIZE, RequestKind.OFFERINGS})
_GAPS_S: Final = (1, 20, 120, 400)
_JOB_S: Final = (1.0, 20.0, 90.0, 400.0, 1500.0)
_SHORT_S: Final = 90.0
CALMING: Final = timedelta(minutes=5)


class Story:
    """What happens in one schedule."""

    def __init__(self, azure: VirtualAzure, farm: Farm, queues: tuple[WorkQueue, ...]) -> None:
        """Tell a story of this Azure."""
        self._azure, self._world, self._farm, self._queues = azure, azure.world, farm, queues
        self._faults, self._chance = farm.faults, farm.chance
        self._stops_told: list[Happening] = []
        self._ids = count()
        self.expired: dict[Job, tuple[WorkQueueName, datetime]] = {}
        self.miscounts: list[tuple[WorkQueueName, datetime, datetime]] = []
        self.acts = 0

    def set_the_scene(self) -> None:
        """Add VMs with their workers: most have one, of the queue that their tag names."""
        for number in range(self._chance.choice((1, 2, 2, 3, 4))):
            queue = self._chance.choice(self._queues)
            machine = self._world.add_vm(
                f"vm-{number}",
                size=self._chance.choice(_SIZES),
                priority="Spot" if self._is_so(0.8) else "Regular",
                tags=self._tags(queue.name),
            )
            clock_error = timedelta(seconds=self._chance.choice((0, 0, 3, -90, 90)))
            served = [queue, self._chance.choice(self._queues)] if self._is_so(0.2) else [queue]
            boots, may_stop = self._is_so(0.9), self._is_so(0.9)
            for each in dict.fromkeys(served):
                rule = OwnStop(each.idle.total_seconds(), each.minimum.total_seconds())
                worker = Worker(self._farm, machine, each.name, rule, boots=boots, may_stop=may_stop)
                worker.clock_error = clock_error
        self._world.listen(self._hear)

    def let_things_happen(self, until: datetime) -> None:
        """Let chance act, every few minutes."""
        for _ in range(self._chance.choice((0, 0, 1, 2))):
            self._begin_an_outage(until)
        acts = [act for act, weight in self._acts() for _ in range(weight)]
        while self._azure.clock.now() < until:
            self._chance.choice(acts)()
            self.acts += 1
            self._azure.run_for(timedelta(seconds=self._chance.expovariate(1 / self._chance.choice(_GAPS_S))))

    def calm_down(self) -> datetime:
        """End all that is wrong; give when."""
        self._faults.is_calm = True
        self._azure.run_for(CALMING)
        for machine in self._machines():
            self._world.set_capacity(machine.pool, None)
            self._world.spare(machine.vm_id)
            self._azure.clock.complete(self._as_operator(machine, holds=False))
        for worker in self._farm.workers:
            worker.is_denied = worker.is_ignored = False
        for queue in self._azure.app.work_queues.values():
            queue.count_error = 0
        return self._azure.clock.now()

    def submit(self, queue: WorkQueue, seconds: float, *, wakes: int) -> Job:
        """Put a job on a queue, with so many wakes; give it."""
        job = self._azure.app.work_queues[queue.name].submit(seconds)
        for _ in range(wakes):
            self._azure.app.wake(str(queue.name), self._wake_delay())
        return job

    def expired_of(self, queue: WorkQueue) -> list[Job]:
        """Give the messages of a queue that Azure deleted because their time was up."""
        return [job for job, (name, _) in self.expired.items() if name == queue.name]

    def _wake_delay(self) -> timedelta:
        is_late = not self._faults.is_calm and self._is_so(0.2)
        return timedelta(seconds=self._chance.choice((5, 100, 1000)) if is_late else 0)

    def _acts(self) -> tuple[tuple[Callable[[], None], int], ...]:
        return (
            (self._submit, 12),
            (self._submit_plainly, 2),
            (self._double, 2),
            (self._expire, 2),
            (self._poison, 2),
            (self._miscount, 2),
            (self._nonsense, 1),
            (self._evict, 6),
            (self._stop, 4),
            (self._start, 3),
            (self._power_off, 1),
            (self._change_tags, 2),
            (self._delete, 1),
            (self._change_capacity, 4),
            (self._let_start_fail, 3),
            (self._stick, 1),
            (self._hold_or_release, 2),
            (self._retry, 1),
            (self._kill_worker, 4),
            (self._hang, 3),
            (self._lie, 2),
            (self._deny, 2),
            (self._echo, 4),
            (self._azure.app.kill_one, 3),
            (self._azure.app.clear_messages, 1),
            (lambda: self._azure.run_for(timedelta(minutes=self._chance.uniform(5, 25))), 3),
        )

    def _machines(self) -> list[Machine]:
        return [machine for machine in self._world.machines() if machine.deleted_at is None]

    def _tags(self, name: WorkQueueName) -> dict[str, str]:
        both = RESTART_TAG if self._is_so(0.2) else {}
        return {"StartForWork": str(name), **both}

    def _submit(self) -> None:
        queue, seconds = self._chance.choice(self._queues), self._chance.choice(_JOB_S)
        for _ in range(self._chance.choice((1, 1, 1, 2, 5, 12)) if seconds <= _SHORT_S else 1):
            self.submit(queue, seconds, wakes=self._chance.choice((1, 1, 1, 2, 0)))

    def _submit_plainly(self) -> None:
        """Put a message as somebody does who knows nothing of wakes."""
        self.submit(self._chance.choice(self._queues), self._chance.choice(_JOB_S), wakes=0)

    def _double(self) -> None:
        queue, seconds = self._chance.choice(self._queues), self._chance.choice(_JOB_S)
        for _ in range(2):
            self.submit(queue, seconds, wakes=2)

    def _expire(self) -> None:
        """Let Azure delete messages whose time is up: all of a queue, or the first one."""
        name = self._chance.choice(self._queues).name
        queue = self._azure.app.work_queues[name]
        for job in queue.left if self._is_so(0.3) else queue.left[:1]:
            queue.jobs.remove(job)
            self.expired[job] = (name, self._azure.clock.now())

    def _poison(self) -> None:
        """Submit a job that kills whoever works on it."""
        name = self._chance.choice(self._queues).name
        self._farm.poison.add(self._azure.app.work_queues[name].submit(1.0))
        self._azure.app.wake(str(name), self._wake_delay())

    def _miscount(self) -> None:
        """Let Azure's count be wrong for a while."""
        name, now = self._chance.choice(self._queues).name, self._azure.clock.now()
        self._azure.app.work_queues[name].count_error = self._chance.choice((-3, -1, 1, 5, 500))
        lasts = timedelta(minutes=self._chance.choice((1, 5, 20)))
        self.miscounts.append((name, now, now + lasts))
        self._azure.clock.call_after(lasts, partial(self._count_rightly, name))

    def _count_rightly(self, name: WorkQueueName) -> None:
        self._azure.app.work_queues[name].count_error = 0

    def _nonsense(self) -> None:
        """Let whoever submits work write to ``wakes`` what is none."""
        machines = self._machines()
        for text in ("farm/other", "", machines[0].vm_id if machines else "{}"):
            self._azure.app.wake(text)

    def _evict(self) -> None:
        for machine in self._drawn():
            if machine.is_spot and machine.power_state in {PowerState.RUNNING, PowerState.STARTING}:
                self._world.evict(machine.vm_id)

    def _stop(self) -> None:
        for machine in self._drawn():
            with suppress(Refused):
                self._world.stop_by_owner(machine.vm_id)

    def _start(self) -> None:
        for machine in self._drawn():
            with suppress(Refused):
                self._world.start(machine, OWNER)

    def _power_off(self) -> None:
        for machine in self._drawn():
            with suppress(Refused):
                self._world.power_off(machine, OWNER)

    def _change_tags(self) -> None:
        """Let the owner give the VM to another queue, or to none, or write nearly the right name."""
        for machine in self._drawn():
            name = self._chance.choice(self._queues).name
            none: dict[str, str] = {}
            tags = (none, RESTART_TAG, {"StartForWork": f"{name} "}, self._tags(name), self._tags(name))
            self._world.retag(machine.vm_id, self._chance.choice(tags))

    def _delete(self) -> None:
        for machine in self._drawn():
            if self._is_so(0.3):
                self._world.delete(machine.vm_id)

    def _change_capacity(self) -> None:
        for machine in self._drawn():
            self._world.set_capacity(machine.pool, self._chance.choice((0, 1, None)))

    def _let_start_fail(self) -> None:
        for machine in self._drawn():
            fail = self._chance.choice((self._world.fail_next_start, self._world.refuse_next_start))
            fail(machine.vm_id, *self._chance.choice(START_CODES))

    def _stick(self) -> None:
        """Let each start of a VM be refused for one reason, until the calm."""
        for machine in self._drawn():
            self._faults.stuck[machine.vm_id.lower()] = self._chance.choice(STUCK_WITH)

    def _hold_or_release(self) -> None:
        for machine in self._drawn():
            self._azure.clock.spawn(self._as_operator(machine, holds=self._is_so(0.4)))

    async def _as_operator(self, machine: Machine, *, holds: bool) -> None:
        ports, now, vm_id = self._azure.app.ports(lambda: None), self._azure.clock.now(), VmId.parse(machine.vm_id)
        with suppress(ChangedMeanwhileError, StoreFailedError, AzureError):
            if holds:
                await hold(ports.store, vm_id, now, lambda: f"hold-{next(self._ids)}")
            else:
                await release(ports.store, ports.queue, vm_id, now, lambda: f"release-{next(self._ids)}")

    def _retry(self) -> None:
        for machine in self._drawn():
            self._azure.clock.spawn(self._as_impatient_operator(VmId.parse(machine.vm_id)))

    async def _as_impatient_operator(self, vm_id: VmId) -> None:
        with suppress(AzureError):
            queue = self._azure.app.ports(lambda: None).queue
            await retry(queue, vm_id, self._azure.clock.now(), lambda: f"retry-{next(self._ids)}")

    def _kill_worker(self) -> None:
        self._chance.choice(self._farm.workers).kill()

    def _hang(self) -> None:
        now = self._azure.clock.now()
        worker = self._chance.choice(self._farm.workers)
        worker.stuck_until = now + timedelta(minutes=self._chance.choice((0.3, 2, 15, 40)))

    def _lie(self) -> None:
        worker = self._chance.choice(self._farm.workers)
        if worker.machine.power_state is not PowerState.RUNNING:
            # Who is down writes nothing; and what a VM wrote before it stopped itself is all that tells of that.
            return
        worker.lie(self._chance.choice(list(Doing)), stops_vm=self._is_so(0.2))

    def _deny(self) -> None:
        """Let a VM's own stop be refused, or be accepted without any effect; or take that back."""
        worker = self._chance.choice(self._farm.workers)
        worker.is_denied, worker.is_ignored = self._chance.choice(((True, False), (False, True), (False, False)))

    def _echo(self) -> None:
        """Tell once more of a VM's own stop."""
        told = [happening for happening in self._stops_told if self._is_own(happening)]
        if told:
            happening = self._chance.choice(told)
            event = azure_event(happening, f"echo-{next(self._ids)}", happening.occurred_at)
            body = json.dumps(event.written(DeliverySchema.CLOUD_EVENTS))
            self._azure.app.put(body, timedelta(seconds=self._chance.choice((0, 60, 900))))

    def _hear(self, happening: Happening) -> None:
        """Note what Azure tells of stops."""
        if is_stop(happening):
            self._stops_told.append(happening)

    def _is_own(self, happening: Happening) -> bool:
        if isinstance(happening, ActionSucceeded):
            return happening.caller == happening.vm_id
        ours = self._farm.own_stops.get(happening.vm_id, ())
        return any(abs(at - happening.occurred_at) <= timedelta(seconds=2) for at in ours)

    def _begin_an_outage(self, until: datetime) -> None:
        kinds = [kind for kind in RequestKind if kind not in _NOT_MINE]
        kind = self._chance.choice((*kinds, RequestKind.WORK_READ, RequestKind.WORK_READ))
        now = self._azure.clock.now()
        begin = now + (until - now) * self._chance.random()
        end = begin + timedelta(minutes=self._chance.uniform(1, 40))
        self._faults.outages.append(Outage(kind, begin, end, self._chance.choice(REFUSALS[kind])))

    def _drawn(self) -> list[Machine]:
        """Draw one VM, if any is left."""
        machines = self._machines()
        return [self._chance.choice(machines)] if machines else []

    def _is_so(self, chance: float) -> bool:
        return self._chance.random() < chance
