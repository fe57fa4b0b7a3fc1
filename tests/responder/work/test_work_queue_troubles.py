"""Work queues while something lasts that nobody repairs: other VMs and queues go on, and messages do not pile up."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from localazure.virtual.app import Instance
from localazure.virtual.wire import Fate, RequestKind
from localazure.virtual.work import VirtualWorker
from localazure.world.azure_errors import Refused
from localazure.world.durations import Durations
from localazure.world.world import OWNER
from spot_responder.demand.work_queues import WorkQueue
from spot_responder.intake.work_queue_names import WorkQueueName
from tests.harness.makers import at
from tests.harness.stories import DENIED, refused, starts
from tests.responder.work.test_work_queues import FOR_WORK, NAME, add_worker, asleep, frames, queue_of, started, submit

if TYPE_CHECKING:
    from datetime import datetime

    from tests.harness.stories import NewAzure, StoryAzure

FOR_EVER = 10**9


def write_row(azure: StoryAzure, key: str, state: str, renewed_at: str, *, stops_vm: bool = False) -> None:
    """Write into the table of workers, as whoever may submit work can."""
    row = {"PartitionKey": NAME.queue, "RowKey": key, "state": state, "renewed_at": renewed_at, "stops_vm": stops_vm}
    queue_of(azure).workers.write(row)


class _Overtaken(VirtualWorker):
    """Its row never says that it stops its VM: a late write of its slot has replaced that."""

    def _tell(self, state: str, *, stops_vm: bool = False) -> None:  # noqa: ARG002 - as the worker calls it
        super()._tell(state)


def test_the_account_of_another_queue_cannot_be_read(new_azure: NewAzure) -> None:
    """The VMs of this queue are started all the same."""
    mill = WorkQueueName("mill", "other")
    other = WorkQueue(mill, "https://mill.queue.core.windows.net", "https://mill.table.core.windows.net")
    azure = new_azure(work_queues=[frames(), other])
    azure.app.work_queues[mill].workers.name = "mill-workers"
    add_worker(azure, "render-1")
    azure.run_until(at("10:20"))
    azure.script.next(RequestKind.ROW_READ, refused(DENIED), about="mill-workers", times=FOR_EVER)
    submit(azure, 1)
    azure.run_until(at("10:25"))
    assert len(starts(azure)) == 1


def test_one_vm_that_arm_does_not_show_keeps_no_other_one_down(new_azure: NewAzure) -> None:
    """It is asked for first, in vain; then the next one is."""
    azure = new_azure(work_queues=[frames(messages_per_vm=100)])
    first = add_worker(azure, "render-1").machine
    add_worker(azure, "render-2")
    azure.run_until(at("10:20"))
    azure.script.next(RequestKind.VM_READ, refused(DENIED), about=first.vm_id, times=FOR_EVER)
    submit(azure, 1)
    azure.run_until(at("10:40"))
    assert starts(azure, "render-2")
    assert queue_of(azure).left == []


def test_a_vm_that_its_scale_set_restores_keeps_no_other_one_down(new_azure: NewAzure) -> None:
    """The app never starts it, whatever its tag says."""
    azure = new_azure(work_queues=[frames(messages_per_vm=100)])
    set_id = azure.world.add_scale_set("set", restore_policy=True)
    machine = azure.add_vm("render-1", tags=FOR_WORK, scale_set_id=set_id)
    VirtualWorker(azure.clock, azure.world, machine, queue_of(azure), NAME.queue)
    add_worker(azure, "render-2")
    azure.run_until(at("10:20"))
    submit(azure, 1)
    azure.run_until(at("10:40"))
    assert queue_of(azure).left == []


@pytest.mark.parametrize("seconds", [7, 20, 50])
def test_resource_graph_is_slow(new_azure: NewAzure, seconds: int) -> None:
    """Three jobs, each with a wake: looks do not overtake each other without end. Too slow is as good as refused."""
    azure = asleep(new_azure, "render-1", "render-2")
    azure.script.next(RequestKind.GRAPH, Fate(float(seconds)), times=FOR_EVER)
    before = azure.app.handled
    for _ in range(3):
        submit(azure, 1)
    azure.run_until(at("11:20"))
    assert bool(starts(azure)) == (seconds < 40)
    assert azure.app.handled - before < 4000


def test_azure_names_the_vm_as_who_stopped_it_and_its_worker_wrote_nothing(new_azure: NewAzure) -> None:
    """The annotation of the same stop, which names nobody, is no owner's either."""
    azure = new_azure(work_queues=[frames()])
    machine = azure.add_vm("render-1", tags=FOR_WORK)
    _Overtaken(azure.clock, azure.world, machine, queue_of(azure), NAME.queue)
    azure.run_until(at("10:20"))
    submit(azure, 1)
    azure.run_until(at("10:40"))
    assert len(starts(azure)) == 1


def test_a_forged_row_ends_no_owners_stop(new_azure: NewAzure) -> None:
    """Of the years to come, while Resource Graph is three minutes old."""
    azure = new_azure(work_queues=[frames()])
    azure.script.lag = timedelta(seconds=170)
    add_worker(azure, "render-1", stops_vm=False)
    azure.app.wake(str(NAME))
    azure.run_until(at("10:05"))
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:05:10"))
    write_row(azure, "render-1:x", "stopping", "2099-01-01T00:00:00Z", stops_vm=True)
    azure.run_until(at("10:20"))
    submit(azure, 1)
    azure.run_until(at("10:40"))
    assert starts(azure) == []


@pytest.mark.parametrize("seconds_apart", [60, 120])
def test_two_instances_with_different_clocks_go_on_looking(new_azure: NewAzure, seconds_apart: int) -> None:
    """While a VM works for an hour, its queue is read each minute or so."""
    azure = asleep(new_azure, "render-1")
    azure.app.redeploy(replace(azure.deployment, clock_errors=(timedelta(), timedelta(seconds=seconds_apart))))
    azure.app._instances.append(Instance(azure.app, 1))  # noqa: SLF001 - the app of the story
    looks: list[datetime] = []
    azure.storage.work.written = lambda _: looks.append(azure.now)
    azure.run_until(at("10:31"))
    submit(azure, 1, 7200)
    azure.run_until(at("11:31"))
    assert max(later - earlier for earlier, later in itertools.pairwise(looks)) < timedelta(minutes=2)


def test_a_start_that_hangs_keeps_no_other_vm_down(new_azure: NewAzure) -> None:
    """Its owner started it at 10:20, and it is starting still at 10:31."""
    azure = new_azure(work_queues=[frames(messages_per_vm=100)], durations=Durations(start=timedelta(hours=12)))
    add_worker(azure, "render-1")
    add_worker(azure, "render-2")
    azure.run_until(at("10:20"))
    azure.world.start(azure.world.machine("render-1"), OWNER)
    submit(azure, 1)
    azure.run_until(at("10:40"))
    assert starts(azure, "render-2")


def test_arm_is_out_for_three_hours_and_messages_do_not_multiply(new_azure: NewAzure) -> None:
    """Ten VMs are asked for again and again; of each, one message is on its way."""
    azure = asleep(new_azure, *(f"render-{number}" for number in range(10)))
    azure.script.next(RequestKind.VM_READ, refused(Refused(503, "ServerBusy", "busy")), times=FOR_EVER)
    submit(azure, 10)
    azure.run_until(at("13:20"))
    assert sum(not message.is_wake for message in azure.messages) <= 20


def test_a_start_that_was_asked_for_long_ago_is_not_made_beside_another_one(new_azure: NewAzure) -> None:
    """One VM may be up. Its message is answered after four minutes; meanwhile the queue asks for another one."""
    azure = asleep(new_azure, "render-1", "render-2", max_vms=1)
    failing = Refused(503, "ServerBusy", "The server is busy.")
    azure.script.next(RequestKind.ROW_READ, refused(failing), about="pools/", times=2)
    azure.script.next(RequestKind.ROW_READ, Fate(30.0), about="pools/")
    submit(azure, 1, 1200)
    azure.run_until(at("10:20:05"))
    azure.script.next(RequestKind.WORK_READ, refused(failing), times=FOR_EVER)
    azure.run_until(at("10:24:40"))
    azure.script.forget()
    azure.app.wake(str(NAME))
    azure.run_until(at("10:45"))
    assert started(azure) == ["render-2"]
