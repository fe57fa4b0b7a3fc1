"""What users of other autoscalers reported, each as a story here, a test elsewhere, or with why it cannot happen.

The thirty reports of ``fleet.md`` §3.2, in its order; the short names are repositories and issues (``ghr``:
github-aws-runners/terraform-aws-github-runner, ``bk``: buildkite/elastic-ci-stack-for-aws, ``jenkins``:
jenkinsci/azure-vm-agents-plugin).
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from localazure.virtual.wire import RequestKind
from localazure.virtual.work import VirtualWorker
from localazure.world.durations import Durations
from localazure.world.machines import PowerState
from spot_responder.demand.work_queues import WorkQueue
from spot_responder.intake.work_queue_names import WorkQueueName
from tests.harness.makers import at
from tests.harness.stories import DENIED, refused, starts

if TYPE_CHECKING:
    from tests.harness.stories import NewAzure, StoryAzure

NAME: Final = WorkQueueName("farm", "frames")
FOR_WORK: Final = {"StartForWork": str(NAME)}
HERE: Final = "tests/responder/work/test_reports_of_others.py"
STORIES: Final = "tests/responder/work/test_work_queues.py"
DEMAND: Final = "tests/demand/test_decide_demand.py"
OWN_STOP: Final = "worker/tests/test_own_stop.py"
CLAIMS: Final = "worker/tests/deciding/test_claims.py"

REPORTS: Final = {
    "ghr#4262, #2459": (HERE, "test_a_count_that_is_wrong_once_does_not_lose_the_job"),
    "ghr#3130": (HERE, "test_a_job_that_another_vm_took_leaves_none_waiting"),
    "ghr#3535, #3493": (HERE, "test_the_vm_that_was_woken_does_not_boot_and_the_next_one_is_tried"),
    "keda#1222": (DEMAND, "test_a_new_message_while_one_job_runs_starts_a_vm"),
    "jenkins#223, #238, #200": (HERE, "test_what_was_written_at_the_stop_does_not_outlive_the_next_start"),
    "actions-runner-controller#3953": (STORIES, "test_jobs_wake_a_vm_which_works_and_deallocates_itself"),
    "skypilot#1410": (STORIES, "test_an_evicted_worker_comes_back_while_there_is_work"),
    "bk#1000": (OWN_STOP, "test_idle_zero_is_at_once_and_not_never"),
    "bk#1051, terraform-buildkite#94": (HERE, "test_a_worker_that_died_for_good_is_told_of"),
    "ghr#2306, #2449": (HERE, "test_a_vm_that_came_for_nothing_goes_down_again"),
    "jenkins#215, #235, #588": (HERE, "test_a_stop_that_is_refused_is_told_of_and_asked_for_again"),
    "pepperize gitlab#818, cattle-ops#450": (HERE, "test_a_vm_whose_tag_was_taken_away_goes_down_all_the_same"),
    "Azure/Batch#117": ("soak/work/story.py", "_poison"),
    "batch-shipyard#239": (STORIES, "test_max_vms_is_never_passed"),
    "ghr#5085": (OWN_STOP, "test_a_job_between_the_two_looks_begins_the_idle_time_anew"),
    "ghr#4391, #3802": (HERE, "test_a_busy_vm_that_says_nothing_is_told_of_and_not_stopped"),
    "pytorch/test-infra#6473, pytorch#65978": (HERE, "test_the_app_has_no_right_to_stop_anything"),
    "bk#971, #520, #58": (OWN_STOP, "test_a_busy_worker_does_not_stop_its_vm"),
    "batch-shipyard#218": (DEMAND, "test_an_evicted_vm_is_asked_for_while_there_is_work"),
    "jenkins#634, #481": "nobody stops another one's VM: two deployments over one VM would at most both start it",
    "jenkins#247, bk#1209": (OWN_STOP, "test_it_is_up_for_its_minimum_time"),
    "skypilot#3907": (HERE, "test_one_eviction_starts_one_vm"),
    "AKS#5589": (HERE, "test_a_vm_that_cannot_start_is_not_tried_without_end"),
    "keda#525": (HERE, "test_a_boot_of_eight_minutes_starts_no_other_vm"),
    "keda#636, #4432": (STORIES, "test_a_count_that_is_wrong_starts_nothing_without_a_visible_message"),
    "hindsight#2675, Azure/Batch#52": (CLAIMS, "test_five_times_the_same_and_the_job_is_given_up"),
    "opentargets#3314, ray#50640": (
        CLAIMS,
        "test_evictions_and_silence_use_up_nothing_as_long_as_the_checkpoint_moves",
    ),
    "skypilot#9868": (STORIES, "test_the_tables_fail_and_the_wake_is_not_lost"),
    "nextflow#5545, bk#733, #850": (STORIES, "test_an_evicted_worker_without_work_stays_down"),
    "azure-devops-docs#7840": "no pool chooses which VM goes: each decides about itself",
}


@pytest.mark.parametrize("report", REPORTS)
def test_each_report_has_a_test_or_a_reason(report: str) -> None:
    """The test is there, under the name that is given."""
    kept = REPORTS[report]
    if isinstance(kept, str):
        assert " " in kept
        return
    file, name = kept
    text = (Path(__file__).resolve().parents[3] / file).read_text("utf-8")
    assert f"def {name}(" in text


def test_they_are_thirty() -> None:
    """As many as the facts list."""
    assert len(REPORTS) == 30


def queue(**fields: Any) -> WorkQueue:  # noqa: ANN401 - whatever a work queue has
    """Make a work queue."""
    return WorkQueue(NAME, "https://farm.queue.core.windows.net", "https://farm.table.core.windows.net", **fields)


def asleep(new_azure: NewAzure, vms: int, *, durations: Durations | None = None, **fields: Any) -> StoryAzure:  # noqa: ANN401
    """Begin at ten with VMs that are down, named ``vm-0`` and so on."""
    azure = new_azure(work_queues=[queue(**fields)], durations=durations)
    for number in range(vms):
        azure.add_vm(f"vm-{number}", tags=FOR_WORK, power_state="deallocated")
    return azure


def workers(azure: StoryAzure, **fields: Any) -> list[VirtualWorker]:  # noqa: ANN401 - whatever a worker has
    """Give each VM a worker."""
    jobs = azure.app.work_queues[NAME]
    return [VirtualWorker(azure.clock, azure.world, one, jobs, NAME.queue, **fields) for one in azure.world.machines()]


def submit(azure: StoryAzure, seconds: float = 60.0, *, wake: bool = True) -> None:
    """Submit a job."""
    azure.app.work_queues[NAME].submit(seconds)
    if wake:
        azure.app.wake(str(NAME))


def left(azure: StoryAzure) -> int:
    """Count the jobs that are not done."""
    return len(azure.app.work_queues[NAME].left)


def up(azure: StoryAzure) -> list[str]:
    """Give the names of the VMs that are not deallocated."""
    return [one.name for one in azure.world.machines() if one.power_state is not PowerState.DEALLOCATED]


def test_a_count_that_is_wrong_once_does_not_lose_the_job(new_azure: NewAzure) -> None:
    """At the wake Azure shows no message, and refuses at the next try: the sweep of 10:15 finds the job."""
    azure = asleep(new_azure, 1)
    workers(azure)
    azure.app.wake(str(NAME))
    azure.run_until(at("10:01"))
    azure.script.next(RequestKind.WORK_READ, refused(DENIED), times=2)
    submit(azure)
    azure.run_until(at("10:20"))
    assert left(azure) == 0


def test_a_job_that_another_vm_took_leaves_none_waiting(new_azure: NewAzure) -> None:
    """Two jobs, each with its wake; the VM of the first takes the second, and no job waits for "its" VM."""
    azure = asleep(new_azure, 2)
    workers(azure)
    submit(azure, 5)
    azure.run_until(at("10:00:50"))
    submit(azure, 5)
    azure.run_until(at("10:03"))
    assert left(azure) == 0


def test_the_vm_that_was_woken_does_not_boot_and_the_next_one_is_tried(new_azure: NewAzure) -> None:
    """The wake is long answered when the worker fails to begin: after ten minutes the other VM is started."""
    azure = asleep(new_azure, 2, messages_per_vm=5)
    first, second = workers(azure)
    first.boots = second.boots = False
    submit(azure)
    azure.run_until(at("10:01"))
    down = next(one for one in (first, second) if one.machine.power_state is PowerState.DEALLOCATED)
    down.boots = True
    azure.run_until(at("10:14"))
    assert left(azure) == 0


def test_what_was_written_at_the_stop_does_not_outlive_the_next_start(new_azure: NewAzure) -> None:
    """Its row says ``stopping`` until its worker begins again: three times it is started, and takes the job."""
    azure = asleep(new_azure, 1)
    workers(azure, minimum=timedelta())
    for number in range(3):
        azure.run_until(at("10:00") + timedelta(minutes=20 * number))
        submit(azure)
        azure.run_until(at("10:15") + timedelta(minutes=20 * number))
        assert left(azure) == 0
        assert up(azure) == []


def test_a_worker_that_died_for_good_is_told_of(new_azure: NewAzure, caplog: pytest.LogCaptureFixture) -> None:
    """The VM lives on and says nothing: somebody is told, once, and nobody stops it."""
    azure = asleep(new_azure, 1)
    workers(azure, boots=False)
    submit(azure)
    azure.run_until(at("11:00"))
    assert caplog.text.count('"needs": "silent"') == 1
    assert up(azure) == ["vm-0"]


def test_a_vm_that_came_for_nothing_goes_down_again(new_azure: NewAzure) -> None:
    """While it booted another VM took the job: after minimum and idle time it is down, and stays so."""
    azure = asleep(new_azure, 2)
    workers(azure)
    submit(azure, 1)
    submit(azure, 1)
    azure.run_until(at("10:00:30"))
    azure.app.work_queues[NAME].jobs.clear()
    azure.run_until(at("10:13"))
    assert up(azure) == []
    azure.run_until(at("11:00"))
    assert sum(len(one.start_calls) for one in azure.world.machines()) == 2


def test_a_stop_that_is_refused_is_told_of_and_asked_for_again(
    new_azure: NewAzure, caplog: pytest.LogCaptureFixture
) -> None:
    """No right to deallocate itself: the VM is up, idle, and somebody is told; with the right it goes down."""
    azure = asleep(new_azure, 1)
    (worker,) = workers(azure, stops_vm=False)
    submit(azure)
    azure.run_until(at("10:30"))
    assert '"needs": "stays-up"' in caplog.text
    worker.stops_vm = True
    azure.run_until(at("10:42"))
    assert up(azure) == []


def test_a_vm_whose_tag_was_taken_away_goes_down_all_the_same(new_azure: NewAzure) -> None:
    """Nobody counts it any more, and its worker stops it: that rests on no tag."""
    azure = asleep(new_azure, 1)
    workers(azure)
    submit(azure)
    azure.run_until(at("10:02"))
    azure.world.retag("vm-0", {})
    azure.run_until(at("10:13"))
    assert up(azure) == []


def test_a_busy_vm_that_says_nothing_is_told_of_and_not_stopped(
    new_azure: NewAzure, caplog: pytest.LogCaptureFixture
) -> None:
    """Its rows cannot be written for half an hour, and it looks like an orphan: its job of 40 minutes ends well."""
    azure = asleep(new_azure, 1)
    (worker,) = workers(azure)
    submit(azure, 2400)
    azure.run_until(at("10:02"))
    azure.app.work_queues[NAME].workers.rows.clear()
    worker.partition = "unseen"
    azure.run_until(at("10:50"))
    assert '"needs": "silent"' in caplog.text
    assert left(azure) == 0
    assert len(starts(azure, "vm-0")) == 1


def test_the_app_has_no_right_to_stop_anything() -> None:
    """No role of the responder has an action that stops a VM: what cannot be asked for goes wrong for nobody."""
    infra = Path(__file__).resolve().parents[3] / "infra"
    for role in ("responder-role.json", "resizer-role.json"):
        text = (infra / role).read_text("utf-8").lower()
        assert "deallocate/action" not in text
        assert "poweroff/action" not in text


def test_one_eviction_starts_one_vm(new_azure: NewAzure) -> None:
    """Three VMs work, one is evicted: that one is started again, and the others are left alone."""
    azure = asleep(new_azure, 3)
    workers(azure)
    for _ in range(3):
        submit(azure, 900)
    azure.run_until(at("10:05"))
    azure.world.evict("vm-1")
    azure.run_until(at("10:12"))
    assert [len(starts(azure, f"vm-{number}")) for number in range(3)] == [1, 2, 1]


def test_a_vm_that_cannot_start_is_not_tried_without_end(new_azure: NewAzure) -> None:
    """Each start fails for six hours, and the job waits: it is tried ever more seldom, and not given up."""
    azure = asleep(new_azure, 1)
    workers(azure)
    submit(azure)
    for half_minutes in range(720):
        azure.world.fail_next_start("vm-0", "VMStartTimedOut", "The VM did not start in time.")
        azure.run_until(at("10:00") + timedelta(seconds=30 * half_minutes))
    assert 5 <= len(starts(azure, "vm-0")) <= 30


def test_a_boot_of_eight_minutes_starts_no_other_vm(new_azure: NewAzure) -> None:
    """A start of a minute and a worker that begins seven minutes later: one message, one VM."""
    azure = asleep(new_azure, 4, durations=Durations(start=timedelta(minutes=1)))
    workers(azure, boot=timedelta(minutes=7))
    submit(azure)
    azure.run_until(at("10:30"))
    assert left(azure) == 0
    assert sum(len(one.start_calls) for one in azure.world.machines()) == 1
