"""How it ended for the work queue of the demo: the jobs, and what their VMs took. Pure. Called by ``demo.py``.

Times are seconds since the demo began.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from localazure.demo.jobs.ending import Done
    from localazure.demo.jobs.work import Claim


@dataclass(frozen=True, slots=True)
class VmTime:
    """A VM of the queue. ``up``: from its start until it was deallocated, each time, or until the end of the demo.

    ``is_deallocated``: so it is at the end. ``stopped_itself``: whether its own identity has done that.
    """

    name: str
    up: tuple[tuple[float, float], ...]
    is_deallocated: bool
    stopped_itself: bool
    evicted_s: float | None = None

    @property
    def has_come_back(self) -> bool:
        """Whether it was up again after its eviction."""
        return self.evicted_s is not None and any(began_s > self.evicted_s for began_s, _ in self.up)


@dataclass(frozen=True, slots=True)
class WorkEnding:
    """What became of the jobs and the VMs. ``arrived_s``: when all jobs were on the queue.

    ``finished``: the id of a job for each time that a worker finished it.
    """

    queue: str
    jobs: int
    arrived_s: float
    done: tuple[Done, ...]
    finished: tuple[str, ...]
    claims: tuple[Claim, ...]
    vms: tuple[VmTime, ...]

    @property
    def lost(self) -> int:
        """How many jobs have no right result."""
        return self.jobs - len({one.number for one in self.done if one.is_right})

    @property
    def doubled(self) -> int:
        """How many jobs were finished more than once."""
        return sum(times > 1 for times in Counter(self.finished).values())

    @property
    def up_at_end(self) -> int:
        """How many VMs are not deallocated."""
        return sum(not vm.is_deallocated for vm in self.vms)

    @property
    def started(self) -> int:
        """How many VMs were started, those that were started twice counted once."""
        return sum(bool(vm.up) for vm in self.vms)

    @property
    def is_as_expected(self) -> bool:
        """Whether no job is lost or doubled, an evicted VM came back, and each VM has deallocated itself."""
        is_whole = len(self.done) == self.jobs and not self.lost and not self.doubled
        has_come_back = any(vm.has_come_back for vm in self.vms)
        return is_whole and has_come_back and all(vm.is_deallocated and vm.stopped_itself for vm in self.vms if vm.up)

    def row(self) -> dict[str, object]:
        """Give the figures of ``demo.json``; ``None`` for the first claim where there was none."""
        first_s = min((claim.began_s for claim in self.claims), default=None)
        return {
            "queue": self.queue,
            "jobs": self.jobs,
            "results": len(self.done),
            "lost": self.lost,
            "doubled": self.doubled,
            "vms_started": self.started,
            "vms_up_at_end": self.up_at_end,
            "first_claim_s": None if first_s is None else round(first_s - self.arrived_s, 1),
            "vm_seconds": round(sum(to_s - from_s for vm in self.vms for from_s, to_s in vm.up), 1),
            "busy_vm_seconds": round(sum(map(self._busy_s, self.vms)), 1),
        }

    def words(self) -> str:
        """Say the most important of it for the last line of the demo."""
        return (
            f"{self.queue}: jobs {self.jobs}, results {len(self.done)}, "
            f"VMs started {self.started}, still up {self.up_at_end}"
        )

    def summary(self) -> str:
        """Make the table of the queue's VMs."""
        lines = [f"{self.queue:<18}{'starts':>10}{'up':>10}{'busy':>10}  end"]
        for vm in self.vms:
            up_s = sum(to_s - from_s for from_s, to_s in vm.up)
            times = f"{len(vm.up):>10}{f'{up_s:.1f} s':>10}{f'{self._busy_s(vm):.1f} s':>10}"
            lines.append(f"{vm.name:<18}{times}  {_end(vm)}")
        first_s = self.row()["first_claim_s"]
        claimed = (
            "no job was claimed" if first_s is None else f"the first job was claimed {first_s} s after they arrived"
        )
        told = f"{self.jobs} jobs, {len(self.done)} results, {self.lost} lost, {self.doubled} doubled"
        return "\n".join([*lines, f"{told}; {claimed}"]) + "\n"

    def _busy_s(self, vm: VmTime) -> float:
        """Count the seconds in which a VM had at least one job."""
        return _covered_s((claim.began_s, claim.ended_s) for claim in self.claims if claim.vm == vm.name)


def _covered_s(spans: Iterable[tuple[float, float]]) -> float:
    covered_s, reached_s = 0.0, 0.0
    for from_s, to_s in sorted(spans):
        covered_s += max(0.0, to_s - max(from_s, reached_s))
        reached_s = max(reached_s, to_s)
    return covered_s


def _end(vm: VmTime) -> str:
    if not vm.up:
        return "was not needed"
    end = "deallocated itself" if vm.is_deallocated and vm.stopped_itself else "<- did not deallocate itself"
    return f"evicted, came back, {end}" if vm.has_come_back else end
