"""VMs that are started for work: a queue has jobs, VMs come up, work, and go down by themselves."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from localazure.virtual.wire import Fate, RequestKind
from localazure.virtual.work import VirtualWorker, VirtualWorkQueue
from localazure.world.azure_errors import Refused
from localazure.world.machines import PowerState
from localazure.world.world import OWNER
from spot_responder.decisions.outcomes import Outcome
from spot_responder.demand.work_queues import WorkQueue
from spot_responder.intake.vms import VmId
from spot_responder.intake.work_queue_names import WorkQueueName
from spot_responder.operators.act import hold
from tests.harness.makers import at
from tests.harness.stories import DEATH_AFTER, DENIED, TAG, outcomes, refused, starts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localazure.world.happenings import Happening
    from tests.harness.stories import NewAzure, StoryAzure

NAME = WorkQueueName("farm", "frames")
FOR_WORK = {"StartForWork": str(NAME)}


def frames(**fields: Any) -> WorkQueue:  # noqa: ANN401 - whatever a work queue has
    """Make a work queue."""
    return WorkQueue(NAME, "https://farm.queue.core.windows.net", "https://farm.table.core.windows.net", **fields)


def add_worker(azure: StoryAzure, name: str, **fields: Any) -> VirtualWorker:  # noqa: ANN401 - whatever a worker has
    """Add a VM that runs and serves the queue, with its worker: without jobs, both stop at 10:10."""
    of_vm = {key: fields.pop(key) for key in ("tags", "priority", "size") if key in fields}
    machine = azure.add_vm(name, **{"tags": FOR_WORK, **of_vm})
    return VirtualWorker(azure.clock, azure.world, machine, queue_of(azure), NAME.queue, **fields)


def queue_of(azure: StoryAzure) -> VirtualWorkQueue:
    """Give the work queue."""
    return azure.app.work_queues[NAME]


def submit(azure: StoryAzure, count: int, seconds: float = 60.0, *, wake: bool = True) -> None:
    """Submit jobs, as ``spot-worker submit`` does."""
    for _ in range(count):
        queue_of(azure).submit(seconds)
    if wake:
        azure.app.wake(str(NAME))


def up(azure: StoryAzure) -> list[str]:
    """Give the names of the VMs that are not deallocated."""
    return [one.name for one in azure.world.machines() if one.power_state is not PowerState.DEALLOCATED]


def started(azure: StoryAzure) -> list[str]:
    """Give the names of the VMs for which starts were asked for."""
    return [one.name for one in azure.world.machines() if one.start_calls]


def asleep(new_azure: NewAzure, *names: str, **fields: Any) -> StoryAzure:  # noqa: ANN401 - of the work queue
    """Begin at 10:20, when VMs with workers have stopped themselves for want of work."""
    azure = new_azure(work_queues=[frames(**fields)])
    for name in names:
        add_worker(azure, name)
    azure.run_until(at("10:20"))
    assert up(azure) == []
    return azure


def test_jobs_wake_a_vm_which_works_and_deallocates_itself(new_azure: NewAzure) -> None:
    """Three jobs of a minute: one VM comes at once, does them, and goes after five idle minutes."""
    azure = asleep(new_azure, "render-1", messages_per_vm=5)
    submit(azure, 3)
    azure.run_until(at("10:45"))
    assert queue_of(azure).left == []
    assert starts(azure) == ["10:20:01"]
    assert up(azure) == []
    assert outcomes(azure) == [Outcome.STARTED_FOR_WORK]
    assert azure.failures == []


@pytest.mark.parametrize("seconds", range(5, 65, 5))
def test_a_vm_without_patience_stops_before_the_next_look_and_stays_down(new_azure: NewAzure, seconds: int) -> None:
    """It stops itself as soon as its job is done: what the queue asked for before that is no reason to start it."""
    azure = new_azure(work_queues=[frames(idle=timedelta(), minimum=timedelta())])
    add_worker(azure, "render-1", idle=timedelta(), minimum=timedelta())
    azure.run_until(at("10:20"))
    submit(azure, 1, seconds)
    azure.run_until(at("10:45"))
    assert queue_of(azure).left == []
    assert starts(azure) == ["10:20:01"]


def test_thirty_jobs_start_as_many_vms_as_they_need_and_no_more(new_azure: NewAzure) -> None:
    """Five messages a VM: six VMs, though each claims but one message at a time and 24 stay visible."""
    azure = asleep(new_azure, *(f"render-{number}" for number in range(10)), messages_per_vm=5)
    submit(azure, 30)
    azure.run_until(at("11:00"))
    assert queue_of(azure).left == []
    assert len(started(azure)) == 6
    assert up(azure) == []


def test_no_wake_came_and_the_sweep_sees_the_messages(new_azure: NewAzure) -> None:
    """Somebody only put a message, without a wake: it waits for the sweep of 10:30, and no longer."""
    azure = asleep(new_azure, "render-1")
    submit(azure, 1, wake=False)
    azure.run_until(at("10:29:59"))
    assert starts(azure) == []
    azure.run_until(at("10:32"))
    assert len(starts(azure)) == 1


def test_nothing_is_read_while_nothing_is_to_do(new_azure: NewAzure) -> None:
    """All VMs are down and the queue is empty: an hour has four looks, one for each sweep."""
    azure = asleep(new_azure, "render-1")
    before = azure.app.handled
    azure.run_until(at("11:20"))
    assert azure.app.handled - before == 4


def test_an_evicted_worker_comes_back_while_there_is_work(new_azure: NewAzure) -> None:
    """Evicted in the middle of its job, at 10:22: it is started again, and does the job."""
    azure = asleep(new_azure, "render-1")
    submit(azure, 1, 300)
    azure.run_until(at("10:22"))
    azure.world.evict("render-1")
    azure.run_until(at("10:50"))
    assert queue_of(azure).left == []
    assert len(starts(azure)) == 2
    assert up(azure) == []


def test_a_vm_that_is_evicted_before_its_worker_has_spoken_comes_back_at_the_next_look(new_azure: NewAzure) -> None:
    """Looked at when it has come up at 10:21, and evicted 5 s later; its worker takes two minutes to begin."""
    azure = new_azure(work_queues=[frames()])
    add_worker(azure, "render-1", boot=timedelta(minutes=2))
    azure.run_until(at("10:20"))
    submit(azure, 1)
    azure.run_until(at("10:21:30"))
    assert azure.world.machine("render-1").power_state is PowerState.RUNNING
    azure.world.evict("render-1")
    azure.run_until(at("10:50"))
    assert starts(azure)[0] == "10:20:01"
    assert starts(azure)[1] < "10:22:30"
    assert len(starts(azure)) == 2
    assert queue_of(azure).left == []


def test_an_evicted_worker_without_work_stays_down(new_azure: NewAzure) -> None:
    """Evicted while it was idle, with both tags: ``StartForWork`` alone decides, and nothing asks for it."""
    azure = new_azure(work_queues=[frames()])
    add_worker(azure, "render-1", tags=TAG | FOR_WORK)
    azure.run_until(at("10:05"))
    azure.world.evict("render-1")
    azure.run_until(at("11:00"))
    assert starts(azure) == []


def test_without_work_queues_the_tag_means_nothing(new_azure: NewAzure) -> None:
    """A deployment without work queues: the restart tag decides, as ever."""
    azure = new_azure()
    azure.add_vm(tags=TAG | FOR_WORK)
    azure.world.evict("render-1")
    azure.run_until(at("10:10"))
    assert outcomes(azure) == [Outcome.RESTORED]


def test_a_tag_that_is_nearly_right_starts_nothing(new_azure: NewAzure) -> None:
    """Another account, a blank, capitals: none of them is guessed at, and the restart tag does not stand in."""
    azure = new_azure(work_queues=[frames()])
    for number, value in enumerate(("other/frames", "farm/frames ", "Farm/frames", "frames", "")):
        azure.add_vm(f"vm-{number}", tags=TAG | {"StartForWork": value})
        azure.world.evict(f"vm-{number}")
    submit(azure, 9)
    azure.run_until(at("11:00"))
    assert started(azure) == []


def test_its_owner_stopped_it_and_work_does_not_start_it(new_azure: NewAzure) -> None:
    """An owner's stop is one, with jobs waiting as well; the other VM is taken."""
    azure = new_azure(work_queues=[frames(messages_per_vm=100)])
    for name in ("render-1", "render-2"):
        add_worker(azure, name)
    azure.run_until(at("10:05"))
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:20"))
    submit(azure, 3)
    azure.run_until(at("10:40"))
    assert started(azure) == ["render-2"]


@pytest.mark.parametrize("priority", ["Spot", "Regular"])
def test_its_owner_stops_it_before_resource_graph_shows_its_tag(priority: str, new_azure: NewAzure) -> None:
    """Tagged at 10:16, stopped a minute later, and Resource Graph is ten minutes behind: work does not start it."""
    azure = new_azure(work_queues=[frames()])
    azure.script.lag = timedelta(minutes=10)
    add_worker(azure, "render-1", tags={}, priority=priority)
    azure.run_until(at("10:16"))
    assert up(azure) == []
    azure.world.retag("render-1", FOR_WORK)
    azure.run_until(at("10:17"))
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:30"))
    submit(azure, 1)
    azure.run_until(at("11:00"))
    assert starts(azure) == []


def test_its_owner_stops_it_in_the_middle_of_its_job(new_azure: NewAzure) -> None:
    """The job becomes visible again within half a minute; the stop is told late, and still nothing is started."""
    azure = asleep(new_azure, "render-1")
    submit(azure, 1, 600)
    azure.run_until(at("10:25"))
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("11:30"))
    assert len(starts(azure)) == 1


def test_the_echo_of_its_own_stop_comes_late_and_twice(new_azure: NewAzure) -> None:
    """Azure tells of each stop as of an owner's, once more at 10:40 after the next run: the VM is still started."""
    azure = new_azure(work_queues=[frames()])
    add_worker(azure, "render-1")
    echoes: list[Happening] = []
    azure.world.listen(echoes.append)
    azure.run_until(at("10:20"))
    submit(azure, 1)
    azure.run_until(at("10:40"))
    assert up(azure) == []
    for echo in [*echoes, *echoes]:
        if "Deallocat" in str(echo) or "deallocate" in str(echo):
            azure.tell(echo)
    azure.run_until(at("10:41"))
    submit(azure, 1)
    azure.run_until(at("11:00"))
    assert len(starts(azure)) == 2
    assert queue_of(azure).left == []


@pytest.mark.parametrize("seconds", [5, 15, 35])
def test_its_eviction_is_told_after_its_owner_started_it_and_it_stopped_itself(
    new_azure: NewAzure, seconds: int
) -> None:
    """It was evicted while it started, and nobody told; it did its job and stopped itself, which no look has seen."""
    azure = new_azure(work_queues=[frames(idle=timedelta(), minimum=timedelta())])
    add_worker(azure, "render-1", idle=timedelta(), minimum=timedelta())
    held_back: list[Happening] = []
    azure.world.listen(held_back.append)
    azure.run_until(at("10:20"))
    submit(azure, 1, 40 + seconds)
    azure.run_until(at("10:20:15"))
    azure.script.lost = lambda _: azure.now < at("10:20:39")
    azure.world.evict("render-1")
    azure.run_until(at("10:20:40"))
    azure.world.start(azure.world.machine("render-1"), OWNER)
    while queue_of(azure).left or up(azure):
        azure.run_until(azure.now + timedelta(seconds=1))
    azure.run_until(azure.now + timedelta(seconds=5))
    for happening in held_back:
        if at("10:20:14") < happening.occurred_at < at("10:20:39"):
            azure.tell(happening)
    azure.run_until(at("10:45"))
    assert len(starts(azure)) == 2


def test_an_owner_who_stops_it_at_the_same_moment_is_heard(new_azure: NewAzure) -> None:
    """The worker has written that it stops its VM; the operation's caller is the owner: that is the owner's stop."""
    azure = new_azure(work_queues=[frames()])
    worker = add_worker(azure, "render-1", stops_vm=False)
    azure.run_until(at("10:20"))
    worker._tell("stopping", stops_vm=True)  # noqa: SLF001 - the story's own worker
    azure.clock.settle()
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:30"))
    submit(azure, 1)
    azure.run_until(at("11:00"))
    assert starts(azure) == []


def test_a_job_that_slips_in_while_the_vm_goes_down_wakes_it_again(new_azure: NewAzure) -> None:
    """The worker looked once more and found nothing; the job comes two seconds later."""
    azure = new_azure(work_queues=[frames()])
    add_worker(azure, "render-1")
    azure.run_until(at("10:10:10"))
    assert azure.world.machine("render-1").power_state is PowerState.DEALLOCATING
    submit(azure, 1)
    azure.run_until(at("10:14"))
    assert queue_of(azure).jobs[0].claimed_at is not None


def test_a_regular_vm_is_started_where_the_spot_vms_do_not_suffice(new_azure: NewAzure) -> None:
    """Spot before Regular."""
    azure = new_azure(work_queues=[frames(messages_per_vm=1)])
    add_worker(azure, "a-regular", priority="Regular")
    add_worker(azure, "spot")
    azure.run_until(at("10:20"))
    submit(azure, 1, 30)
    azure.run_until(at("10:40"))
    assert started(azure) == ["spot"]
    submit(azure, 2, 30)
    azure.run_until(at("11:00"))
    assert started(azure) == ["a-regular", "spot"]


def test_a_regular_vm_is_started_where_spot_has_no_capacity_for_its_size(new_azure: NewAzure) -> None:
    """Of the same size in the same place; Azure has places for regular VMs when it has none for Spot."""
    azure = new_azure(work_queues=[frames()])
    add_worker(azure, "spot-1")
    add_worker(azure, "regular-1", priority="Regular")
    azure.run_until(at("10:20"))
    azure.world.set_capacity(azure.pool_key("spot-1"), 0)
    submit(azure, 1)
    azure.run_until(at("10:40"))
    assert queue_of(azure).left == []
    assert azure.world.machine("regular-1").start_calls


def test_a_held_vm_is_passed_over(new_azure: NewAzure) -> None:
    """An operator holds one of two VMs: the other one is started."""
    azure = asleep(new_azure, "render-1", "render-2", messages_per_vm=100)
    held = VmId.parse(azure.world.machine("render-1").vm_id)
    azure.do(hold(azure.ports().store, held, azure.now, lambda: "hold-1"))
    submit(azure, 1)
    azure.run_until(at("10:40"))
    assert started(azure) == ["render-2"]


def test_no_capacity_for_one_size_and_another_vm_is_tried(new_azure: NewAzure) -> None:
    """The VM that is tried first gets no capacity; within two minutes one of another size is started."""
    azure = new_azure(work_queues=[frames(messages_per_vm=100)])
    add_worker(azure, "render-1")
    add_worker(azure, "render-2", size="Standard_D4s_v5")
    azure.run_until(at("10:20"))
    azure.world.set_capacity(azure.pool_key("render-1"), 0)
    submit(azure, 3)
    azure.run_until(at("10:22:30"))
    assert "render-2" in started(azure)
    azure.world.set_capacity(azure.pool_key("render-1"), None)
    azure.run_until(at("11:10"))
    assert queue_of(azure).left == []
    assert up(azure) == []


def test_max_vms_is_never_passed(new_azure: NewAzure) -> None:
    """A hundred jobs, and at most two VMs."""
    azure = asleep(new_azure, *(f"render-{number}" for number in range(5)), max_vms=2)
    submit(azure, 100, 10)
    most = 0
    for minute in range(21, 50):
        azure.run_until(at(f"10:{minute}"))
        most = max(most, len(up(azure)))
    assert most == 2


def test_a_count_that_is_wrong_starts_nothing_without_a_visible_message(new_azure: NewAzure) -> None:
    """Azure's count says seven, and none can be seen (keda#636: workers with nothing to do)."""
    azure = asleep(new_azure, "render-1")
    queue_of(azure).count_error = 7
    azure.app.wake(str(NAME))
    azure.run_until(at("10:40"))
    assert starts(azure) == []


def test_a_queue_that_cannot_be_read_decides_nothing(new_azure: NewAzure) -> None:
    """Denied for ten minutes: nothing is started, nothing fails, and then all goes on by itself."""
    azure = asleep(new_azure, "render-1")
    azure.script.next(RequestKind.WORK_READ, refused(DENIED), times=1_000)
    submit(azure, 1)
    azure.run_until(at("10:30"))
    assert starts(azure) == []
    azure.script.forget()
    azure.run_until(at("10:33"))
    assert len(starts(azure)) == 1
    assert azure.failures == []


def test_the_table_of_workers_is_not_there_yet(new_azure: NewAzure) -> None:
    """No worker has ever run: the first one makes the table."""
    azure = new_azure(work_queues=[frames()])
    azure.add_vm("other", tags={})
    missing = Refused(404, "TableNotFound", "The table specified does not exist.")
    azure.script.next(RequestKind.ROW_READ, refused(missing), about="workers/", times=1_000)
    submit(azure, 1)
    azure.run_until(at("10:02"))
    assert azure.storage.work.rows[NAME.account, NAME.queue][0]["backlog"] == "[1, 1]"


def test_the_tables_fail_and_the_wake_is_not_lost(new_azure: NewAzure) -> None:
    """The table of work queues fails for a while: the wake comes back each minute."""
    azure = asleep(new_azure, "render-1")
    failing = Refused(503, "ServerBusy", "The server is busy.")
    azure.script.next(RequestKind.ROW_READ, refused(failing), about="work/", times=10)
    submit(azure, 1)
    azure.run_until(at("10:36"))
    assert len(starts(azure)) == 1
    assert azure.failures == []


def test_who_writes_nonsense_to_wakes_changes_nothing(new_azure: NewAzure) -> None:
    """Whoever submits work may write there: a VM's id, another queue, no text. None is tried again, none is poison."""
    azure = asleep(new_azure, "render-1")
    for text in ("farm/other", azure.world.machine("render-1").vm_id, "{}", "", "farm/frames/x"):
        azure.app.wake(text)
    azure.app.put(b"\xff\xfe", timedelta())
    azure.run_until(at("10:25"))
    assert starts(azure) == []
    assert all(not message.is_wake for message in azure.messages)


def test_a_blob_wakes_a_vm_and_its_doubled_event_no_second_one(new_azure: NewAzure) -> None:
    """Event Grid put the job on the work queue, twice, and each of its events on the queue of wakes."""
    azure = asleep(new_azure, "render-1", "render-2", container="frames-in")
    event = {
        "source": f"/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/{NAME.account}",
        "subject": "/blobServices/default/containers/frames-in/blobs/0001.exr",
        "type": "Microsoft.Storage.BlobCreated",
        "data": {"vmId": azure.world.machine("render-2").vm_id},
    }
    submit(azure, 1, wake=False)
    azure.app.wake(json.dumps(event))
    azure.app.wake(json.dumps(event))
    azure.run_until(at("10:25"))
    assert len(starts(azure)) == 1
    assert queue_of(azure).left == []


def test_hundreds_of_wakes_cost_few_looks(new_azure: NewAzure) -> None:
    """Each of many jobs was submitted with a wake of its own; follow-ups do not multiply."""
    azure = asleep(new_azure, "render-1", messages_per_vm=1000)
    looks: list[Mapping[str, Any]] = []
    azure.storage.work.written = looks.append
    for _ in range(60):
        submit(azure, 1, 0.1)
    azure.run_until(at("10:21"))
    assert len({row["looked_at"] for row in looks}) <= 5
    azure.run_until(at("10:25"))
    assert len([message for message in azure.messages if message.is_wake]) == 1


def test_the_queue_of_wakes_fails_and_evicted_vms_are_found_all_the_same(new_azure: NewAzure) -> None:
    """A VM that serves no queue is evicted, its event is lost, and the sweep can put no wake: it starts the VM."""
    azure = new_azure(work_queues=[frames()])
    azure.add_vm("plain")
    azure.script.lost = lambda _: True
    azure.run_until(at("10:01"))
    azure.world.evict("plain")
    missing = Refused(404, "QueueNotFound", "The specified queue does not exist.")
    azure.script.next(RequestKind.QUEUE_PUT, refused(missing), about="wakes", times=1_000)
    azure.run_until(at("10:20"))
    assert len(starts(azure, "plain")) == 1


def test_a_sweep_that_fails_puts_its_wakes_all_the_same(new_azure: NewAzure) -> None:
    """The history cannot be read for a while: jobs without a wake still wait for the next sweep only."""
    azure = asleep(new_azure, "render-1")
    failing = Refused(503, "ServerBusy", "The server is busy.")
    azure.script.next(RequestKind.ROW_READ, refused(failing), about="history/", times=1_000)
    submit(azure, 1, wake=False)
    azure.run_until(at("10:32"))
    assert len(starts(azure)) == 1


def test_a_crash_leaves_nobody_untold(new_azure: NewAzure, caplog: pytest.LogCaptureFixture) -> None:
    """The app dies with the look that finds a VM silent, just after the row is saved: somebody has been told."""
    azure = new_azure(work_queues=[frames()])
    add_worker(azure, "render-1", boots=False)
    submit(azure, 1)
    azure.run_until(at("10:10:30"))
    azure.script.next(RequestKind.ROW_WRITE, about="work/")
    azure.script.next(RequestKind.ROW_WRITE, DEATH_AFTER, about="work/")
    azure.run_until(at("10:30"))
    assert '"needs": "silent"' in caplog.text


def test_its_own_stop_is_told_while_nothing_can_be_read(new_azure: NewAzure) -> None:
    """ARM refuses reads for a minute, so the stop is noted as somebody's; once it is read, it is known as its own."""
    azure = new_azure(work_queues=[frames()])
    add_worker(azure, "render-1")
    azure.run_until(at("10:09"))
    azure.script.next(RequestKind.VM_READ, refused(Refused(503, "ServerBusy", "The server is busy.")), times=3)
    azure.run_until(at("10:20"))
    submit(azure, 1)
    azure.run_until(at("10:40"))
    assert len(starts(azure)) == 1
    assert queue_of(azure).left == []


@pytest.mark.parametrize("start_is_told", [True, False])
def test_an_owners_stop_is_told_after_the_vm_ran_and_stopped_itself(
    new_azure: NewAzure, *, start_is_told: bool
) -> None:
    """Stopped at 10:02, started at 10:04, stopped by itself; told of the first stop at 10:30: it works at 10:40.

    That it ran since is known from its owner's start, or from its own stop alone.
    """
    azure = new_azure(work_queues=[frames()])
    add_worker(azure, "render-1")
    held_back: list[Happening] = []
    azure.world.listen(held_back.append)
    lost_until = at("10:04" if start_is_told else "10:08")
    azure.script.lost = lambda _: azure.now < lost_until
    azure.run_until(at("10:02"))
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:04"))
    azure.world.start(azure.world.machine("render-1"), OWNER)
    azure.run_until(at("10:30"))
    assert up(azure) == []
    for happening in held_back:
        if happening.occurred_at < at("10:04"):
            azure.tell(happening)
    azure.run_until(at("10:40"))
    submit(azure, 1)
    azure.run_until(at("11:00"))
    assert queue_of(azure).left == []


def test_jobs_that_come_at_once_each_with_a_wake_start_their_vms_within_seconds(new_azure: NewAzure) -> None:
    """Requests take 50 ms: the wakes that join the first look do not spoil it, and the next one sees all jobs."""
    names = [f"render-{number}" for number in range(8)]
    azure = asleep(new_azure, *names)
    azure.script.next(RequestKind.WORK_READ, Fate(0.05), times=1_000)
    azure.script.next(RequestKind.GRAPH, Fate(0.05), times=1_000)
    for _ in names:
        submit(azure, 1, 600)
    azure.run_until(at("10:20:04"))
    assert sorted(started(azure)) == names


def test_a_wake_that_joins_a_look_does_not_keep_the_next_one_waiting(new_azure: NewAzure) -> None:
    """Resource Graph takes 3 s; two wakes at once: a job that comes ten seconds later is seen within seconds."""
    azure = asleep(new_azure, "render-1", "render-2")
    azure.script.next(RequestKind.GRAPH, Fate(3.0), times=1_000)
    submit(azure, 1, 600)
    azure.app.wake(str(NAME))
    azure.run_until(at("10:20:10"))
    submit(azure, 1, 600)
    azure.run_until(at("10:20:20"))
    assert sorted(started(azure)) == ["render-1", "render-2"]


def test_of_two_looks_that_overlap_the_first_that_is_over_counts(new_azure: NewAzure) -> None:
    """Resource Graph takes 10 s; after 5 s another instance, whose clock is behind, has looked and asks for nothing."""
    azure = asleep(new_azure, "render-1")
    azure.script.next(RequestKind.GRAPH, Fate(10.0))
    submit(azure, 1, 600)
    azure.run_until(at("10:20:05"))
    work = azure.ports().work
    assert work is not None
    stored = azure.do(work.table.load(NAME))
    other = replace(stored.value, looked_at=azure.now, reason="of another instance")
    azure.do(work.table.save(other, stored.etag))
    azure.run_until(at("10:20:15"))
    assert azure.do(work.table.load(NAME)).value == other
    assert starts(azure) == []
