"""Values for the tests of ``demand``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from spot_responder.demand.looks import Backlog, Doing, Look, QueueVm, Watch, Word
from spot_responder.demand.work_queues import WorkQueue
from spot_responder.intake.vms import PowerState, VmId
from spot_responder.intake.work_queue_names import WorkQueueName
from tests.harness.makers import TEN, spot_vm

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.intake.vms import Vm

NAME = WorkQueueName("farm", "frames")


def queue(**fields: Any) -> WorkQueue:  # noqa: ANN401 - whatever a work queue has
    """Make a work queue."""
    return WorkQueue(NAME, "https://farm.queue.example", "https://farm.table.example", **fields)


def vm(name: str = "vm-1", state: PowerState = PowerState.DEALLOCATED, **fields: Any) -> Vm:  # noqa: ANN401 - of a VM
    """Make a VM that serves the queue."""
    vm_id = VmId("11111111-1111-1111-1111-111111111111", "rg", name)
    return replace(spot_vm(state), vm_id=vm_id, tags={"StartForWork": str(NAME)}, **fields)


def seen(
    name: str = "vm-1",
    state: PowerState = PowerState.DEALLOCATED,
    *words: Word,
    recovery: Recovery | None = None,
    **fields: Any,  # noqa: ANN401 - of a VM
) -> QueueVm:
    """Make what a look sees of a VM."""
    shown = vm(name, state, **fields)
    return QueueVm(shown, replace(recovery, vm_id=shown.vm_id) if recovery else None, words)


def word(doing: Doing = Doing.IDLE, at: datetime = TEN, *, stops_vm: bool = False) -> Word:
    """Make what a worker wrote."""
    return Word("vm-1", doing, at, stops_vm)


def look(visible: int, total: int, *vms: QueueVm) -> Look:
    """Make a look."""
    return Look(Backlog(visible, total), vms)


def nothing_kept() -> Watch:
    """Give what is kept of a queue that nobody has looked at."""
    return Watch(NAME)
