"""What operators are told of work queues: by ``queues``, ``explain``, ``plan`` and ``status``, in virtual time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from localazure.virtual.wire import RequestKind
from localazure.world.azure_errors import Refused
from spot_responder.advised_command import CommandLine
from spot_responder.commands import explain as explain_command
from spot_responder.commands import plan as plan_command
from spot_responder.commands import queues as queues_command
from spot_responder.commands import status as status_command
from spot_responder.demand.looks import Backlog, Doing, UpTime, Watch
from spot_responder.demand.standings import Standing
from spot_responder.intake.azure_errors import Failure, FailureKind
from spot_responder.intake.vms import VmId
from spot_responder.operators.gather import gather_explanation
from spot_responder.operators.ports import OperatorPorts
from spot_responder.operators.views.dead_letters import QueueCounts
from spot_responder.operators.views.findings import Health
from spot_responder.operators.views.status import overview
from spot_responder.operators.views.work_figures import JobsDone, backlog_at_look, hours_told, work_figures
from spot_responder.operators.views.work_queues import QueueDemands
from spot_responder.operators.work_queues import gather_figures, gather_queues, work_findings
from spot_responder.responder.ports import AzureRefusedError
from spot_responder.terminal.console import Console
from spot_responder.web.views.page import status_page
from tests.harness.makers import at, failure
from tests.harness.stories import DENIED, NO_ANSWER, refused
from tests.operators.views.test_plan import planned
from tests.responder.work.test_work_queues import FOR_WORK, NAME, add_worker, asleep, frames, submit

if TYPE_CHECKING:
    from spot_responder.intake.work_queue_names import WorkQueueName
    from spot_responder.operators.views.explanation import Explanation
    from spot_responder.operators.views.findings import Finding
    from spot_responder.operators.views.work_queues import QueueDemand
    from tests.harness.stories import NewAzure, StoryAzure


def asked(azure: StoryAzure) -> QueueDemand:
    """Look at the work queue, as ``queues`` does."""
    (demand,) = azure.do(gather_queues(azure.ports(), azure.settings, azure.now))
    return demand


def told_by_queues(azure: StoryAzure) -> str:
    """Give what ``queues`` prints."""
    seen = QueueDemands(azure.now, azure.do(gather_queues(azure.ports(), azure.settings, azure.now)))
    return queues_command.render(seen, Console(azure.now, UTC))


def explained(azure: StoryAzure, name: str) -> Explanation:
    """Explain a VM."""
    vm_id = VmId.parse(azure.world.machine(name).vm_id)
    return azure.do(gather_explanation(vm_id, azure.ports(), azure.settings, azure.now))


class Results:
    """The tables of results: so many jobs, no table, or a refusal."""

    def __init__(self, done: JobsDone | Failure | None) -> None:
        """Answer so."""
        self._done = done

    async def done_since(self, name: WorkQueueName, since: datetime) -> JobsDone | None:
        """Give it."""
        assert since == at("10:30") - timedelta(days=7)
        if isinstance(self._done, Failure):
            raise AzureRefusedError(self._done, f"read the results of {name}")
        return self._done


def test_queues_says_what_a_look_would_start_before_it_does(new_azure: NewAzure) -> None:
    """Three jobs came without a wake: until the sweep, all is down, and the next look will start one VM."""
    azure = asleep(new_azure, "render-1", "render-2", messages_per_vm=5)
    submit(azure, 3, wake=False)
    demand = asked(azure)
    assert (demand.visible, demand.messages, demand.unseen) == (3, 3, "")
    assert [(vm.vm_id.name, str(vm.power_state), vm.standing) for vm in demand.vms] == [
        ("render-1", "deallocated", Standing.READY),
        ("render-2", "deallocated", Standing.READY),
    ]
    (starting,) = demand.starts
    text = told_by_queues(azure)
    assert "farm/frames: 3 messages, 3 of them to take; 5 a VM, 10 VMs at most" in text
    assert demand.reason in text
    azure.run_until(at("10:31"))
    assert [one.name for one in azure.world.machines() if one.start_calls] == [starting.vm_id.name]


def test_queues_shows_who_works(new_azure: NewAzure) -> None:
    """A VM that has claimed a job serves, is busy, and was heard of."""
    azure = asleep(new_azure, "render-1")
    submit(azure, 1, 600)
    azure.run_until(at("10:24"))
    (vm,) = asked(azure).vms
    assert (vm.standing, vm.doing, vm.trouble) == (Standing.SERVES, Doing.BUSY, "")
    assert vm.last_word_at is not None
    assert not asked(azure).needs_somebody


def test_a_queue_that_the_login_may_not_read_is_said_to_be_so(new_azure: NewAzure) -> None:
    """The others are shown all the same; nothing is guessed."""
    azure = asleep(new_azure, "render-1")
    azure.script.next(RequestKind.WORK_READ, refused(DENIED), times=1_000)
    demand = asked(azure)
    assert (demand.visible, demand.messages, demand.vms) == (None, None, ())
    assert demand.needs_somebody
    assert "could not look (" in told_by_queues(azure)


def test_a_deployment_without_work_queues_says_so(new_azure: NewAzure) -> None:
    """In one line."""
    assert told_by_queues(new_azure()) == "this deployment has no work queues: docs/work-queues.md\n"


def test_what_is_wrong_with_a_vm_is_told(new_azure: NewAzure) -> None:
    """A worker that never begins: after ten minutes its VM is silent, and somebody has to look."""
    azure = asleep(new_azure)
    add_worker(azure, "render-1", boots=False)
    submit(azure, 1)
    azure.run_until(at("10:50"))
    assert asked(azure).needs_somebody
    assert "! render-1: it runs and no worker of it says anything" in told_by_queues(azure)


def test_explain_says_what_the_work_queue_asks(new_azure: NewAzure) -> None:
    """Of a VM that is down for want of work, and of one that works."""
    azure = asleep(new_azure, "render-1")
    down = explained(azure, "render-1")
    assert down.work_queue == "farm/frames did not ask for it at 10:15:00Z: it has no messages"
    assert down.next.what == "nothing, until its work queue asks for it"
    submit(azure, 1, 600)
    azure.run_until(at("10:24"))
    up = explained(azure, "render-1")
    assert up.work_queue.startswith("farm/frames asked for it at ")
    assert up.next.what == "nothing: its worker deallocates it when nothing is left to do"
    assert f"work queue: {up.work_queue}\n" in explain_command.render(up, Console(azure.now, UTC))


def test_explain_says_that_a_vm_stopped_itself(new_azure: NewAzure) -> None:
    """Nothing was left to do at ten past ten: no owner, no eviction, and nobody needs to guess."""
    azure = asleep(new_azure, "render-1")
    down = explained(azure, "render-1")
    stopped_at = down.stopped_itself_at
    assert stopped_at is not None
    assert at("10:10") <= stopped_at < at("10:11")
    own = f"render-1 is down, deallocated by its own worker at {stopped_at:%H:%M:%S}Z, which had nothing left to do: "
    assert down.headline.startswith(own)
    assert "its worker, which had nothing left to do, wrote that it deallocates it" in [t.what for t in down.evidence]


def test_a_vm_that_is_evicted_after_it_came_up_again_did_not_stop_itself(new_azure: NewAzure) -> None:
    """It stopped itself once, was started for a job, and Azure took it in the middle: that is why it is down."""
    azure = asleep(new_azure, "render-1")
    submit(azure, 1, 3000)
    azure.run_until(at("10:24"))
    assert explained(azure, "render-1").stopped_itself_at is None
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:26"))
    down = explained(azure, "render-1")
    assert down.stopped_itself_at is None
    assert down.headline.startswith("render-1 is down, evicted by Azure: ")


def test_a_vm_that_its_owner_stops_did_not_stop_itself(new_azure: NewAzure) -> None:
    """Though its worker wrote so when it went down before."""
    azure = asleep(new_azure, "render-1")
    submit(azure, 1, 3000)
    azure.run_until(at("10:24"))
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:26"))
    down = explained(azure, "render-1")
    assert down.stopped_itself_at is None
    assert "its owner" in down.headline


def test_an_evicted_vm_is_explained_to_a_login_that_may_not_read_the_workers(new_azure: NewAzure) -> None:
    """Nothing depends on them there."""
    azure = new_azure(work_queues=[frames()])
    add_worker(azure, "render-1")
    submit(azure, 1, 3000)
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    azure.script.next(RequestKind.ROW_READ, refused(DENIED), about="workers/", times=1_000)
    down = explained(azure, "render-1")
    assert down.headline.startswith("render-1 is down, evicted by Azure: ")
    assert down.stopped_itself_at is None


def test_nobody_is_told_to_set_the_restart_tag_on_a_vm_of_a_work_queue(new_azure: NewAzure) -> None:
    """StartForWork alone decides about it: another tag changes nothing, and one misspelled is no mistake."""
    azure = asleep(new_azure, "render-1")
    add_worker(azure, "render-2", tags={**FOR_WORK, "AttemptRestartAfterEviction": "yes"})
    azure.add_vm("other-1", tags={"StartForWork": "farm/nonsense", "AttemptRestartAfterEvicton": "true"})
    for name in ("render-1", "render-2", "other-1"):
        said = explained(azure, name)
        assert (name, said.tag_typos, [line for line in said.advice if "az tag" in line]) == (name, (), [])
    assert [each.tag_typos for each in planned(azure).passed_by] == [()]


def test_explain_says_nothing_of_work_queues_where_none_decides(new_azure: NewAzure) -> None:
    """A VM with the restart tag; and one whose tag names none of ours says that."""
    azure = new_azure(work_queues=[frames()])
    azure.add_vm("render-1")
    azure.add_vm("render-2", tags={"StartForWork": "farm/nonsense"})
    assert explained(azure, "render-1").work_queue == ""
    assert "which is no work queue of this deployment" in explained(azure, "render-2").work_queue


def test_plan_says_what_a_sweep_s_look_would_start(new_azure: NewAzure) -> None:
    """A sweep looks at the work queues too."""
    azure = asleep(new_azure, "render-1")
    submit(azure, 1, wake=False)
    plan = planned(azure)
    ((starting,),) = [demand.starts for demand in plan.work_queues]
    assert starting.vm_id.name == "render-1"
    text = plan_command.render(plan, "AttemptRestartAfterEviction", Console(azure.now, UTC))
    assert "its look at the work queues\n" in text
    assert "farm/frames  render-1     1 message, 1 of them to take" in text


def figures_at_half_past_ten(azure: StoryAzure, done: JobsDone | Failure | None) -> Any:  # noqa: ANN401 - an overview
    """Give the overview with the figures of the work queue."""
    azure.run_until(at("10:30"))
    nowhere: Any = None
    ports = OperatorPorts(azure.ports(), nowhere, nowhere, nowhere, nowhere, Results(done))
    figures = azure.do(gather_figures(ports, azure.settings, list(azure.history), azure.now))
    return overview([], azure.history, [], QueueCounts(0, 0, 0, 0, 0), azure.now, work=figures)


def test_status_has_the_figures_of_each_queue(new_azure: NewAzure) -> None:
    """A VM was started at 10:20 and is up; jobs waited up to 99 seconds."""
    azure = asleep(new_azure, "render-1")
    submit(azure, 1, 3000)
    seen = figures_at_half_past_ten(azure, JobsDone(100, tuple(map(float, range(100)))))
    (figures,) = seen.work
    assert (figures.jobs_done, figures.wait_p50_s, figures.wait_p99_s) == (100, 49.0, 98.0)
    assert (figures.starts, figures.evictions) == (1, 0)
    # Up since shortly after twenty past; until the first sweep, at a quarter past ten, nobody looked.
    assert 0.1 < figures.vm_hours < 0.17
    assert figures.idle_hours < figures.vm_hours
    text = status_command.render(seen, Console(azure.now, UTC))
    assert "work queues, and their last 7 days: 1" in text
    assert "half at most 49 s, 99 % at most 1 min 38 s" in text
    page = status_page(seen, CommandLine())
    assert "<dt>jobs done</dt><dd>100</dd>" in page


def test_what_is_not_known_is_shown_as_unknown(new_azure: NewAzure) -> None:
    """The results may not be read; or no row of them says how long its job waited."""
    azure = asleep(new_azure, "render-1")
    seen = figures_at_half_past_ten(azure, failure(FailureKind.DENIED))
    (figures,) = seen.work
    assert (figures.jobs_done, figures.wait_p50_s, figures.wait_p99_s) == (None, None, None)
    assert "unknown (" in status_command.render(seen, Console(azure.now, UTC))
    assert "<dt>from arrival to claim</dt><dd>unknown</dd>" in status_page(seen, CommandLine())


def test_where_no_job_was_ever_done_there_is_no_table_yet(new_azure: NewAzure) -> None:
    """It is a worker that makes the table; that is said, and no error of Azure's."""
    seen = figures_at_half_past_ten(asleep(new_azure, "render-1"), None)
    text = status_command.render(seen, Console(at("10:30"), UTC))
    assert "unknown (no worker has made a table of results yet)" in text


def test_an_eviction_of_a_vm_of_the_queue_is_counted(new_azure: NewAzure) -> None:
    """Evicted amid its job, and started again."""
    azure = asleep(new_azure, "render-1")
    azure.add_vm("other-1")
    submit(azure, 1, 3000)
    azure.run_until(at("10:22"))
    azure.world.evict("render-1")
    azure.world.evict("other-1")
    (figures,) = figures_at_half_past_ten(azure, JobsDone(0)).work
    assert figures.evictions == 1


def test_only_the_last_seven_days_count() -> None:
    """A queue that nobody looked at has no hours; more jobs than were counted are said to be more."""
    now = at("10:00")
    watch = Watch(NAME)
    before = work_figures(watch, "refused", [], now)
    assert (before.vm_hours, before.messages, before.jobs_unseen) == (None, None, "refused")
    assert (before.starts, before.evictions) == (None, None)
    assert (hours_told(before), backlog_at_look(before)) == ("unknown", "not looked at yet")
    hour = timedelta(hours=1)
    days = tuple(UpTime((now - timedelta(days=back)).date(), hour, hour / 2) for back in (8, 7, 6, 0))
    after = work_figures(replace(watch, looked_at=now, up_times=days), JobsDone(3, is_all=False), [], now)
    assert (after.vm_hours, after.idle_hours, after.are_all_jobs) == (2.0, 1.0, False)
    assert hours_told(after) == "2.0 h, 1.0 h of them idle"


def test_minutes_are_told_as_minutes() -> None:
    """A queue that worked for some minutes did not work for 0.0 hours."""
    now = at("10:00")
    day = UpTime(now.date(), timedelta(minutes=75), timedelta(minutes=3))
    figures = work_figures(Watch(NAME, looked_at=now, up_times=(day,)), JobsDone(1), [], now)
    assert hours_told(figures) == "1.2 h, 3 min of them idle"


def test_more_messages_than_azure_shows_at_once_are_not_told_as_counted() -> None:
    """It shows 32: of more, some may be held by somebody."""
    assert Backlog(32, 40).told == "40 messages, 32 of them to take"
    assert Backlog(40, 40).told == "40 messages, 32 or more of them to take"


def test_the_doctor_looks_at_each_work_queue_and_at_what_its_workers_wrote(new_azure: NewAzure) -> None:
    """The queue is counted, the table read."""
    azure = asleep(new_azure, "render-1")
    submit(azure, 3, wake=False)
    assert [(each.what, each.health, each.told) for each in checked(azure)] == [
        ("work queue farm/frames", Health.GOOD, "reachable, 3 messages, 3 of them to take"),
        ("table workers of farm/frames", Health.GOOD, "reachable, workers of 1 VM have written there"),
    ]
    assert [each.told for each in checked(new_azure(work_queues=[frames()]))][1:] == [
        "reachable, no worker has written there yet"
    ]
    assert checked(new_azure()) == []


@pytest.mark.parametrize(
    ("refusal", "health", "mend"),
    [
        (DENIED, Health.UNSEEN, "have Storage Queue Data Reader assigned to your login there"),
        (
            Refused(404, "QueueNotFound", "The specified queue does not exist."),
            Health.BAD,
            "is https://farm.queue.core.windows.net right, in WORK_QUEUES? What WORK_QUEUES makes: azd provision",
        ),
        (
            None,
            Health.BAD,
            "is https://farm.queue.core.windows.net right, in WORK_QUEUES? And is the network there?",
        ),
    ],
)
def test_the_doctor_says_what_mends_a_work_queue(
    refusal: Refused | None, health: Health, mend: str, new_azure: NewAzure
) -> None:
    """What the login may not see is not wrong; a queue that is not there, or does not answer, is."""
    azure = asleep(new_azure, "render-1")
    azure.script.next(RequestKind.WORK_READ, refused(refusal) if refusal else NO_ANSWER, times=1_000)
    queue, _table = checked(azure)
    assert (queue.health, queue.mend) == (health, mend)


def test_the_doctor_says_what_a_login_lacks_that_may_not_read_the_workers(new_azure: NewAzure) -> None:
    """Another role, at another service of the account than the queue."""
    azure = asleep(new_azure, "render-1")
    azure.script.next(RequestKind.ROW_READ, refused(DENIED), about="workers/", times=1_000)
    queue, table = checked(azure)
    assert (queue.health, table.health) == (Health.GOOD, Health.UNSEEN)
    assert table.mend == "have Storage Table Data Reader assigned to your login there"


def checked(azure: StoryAzure) -> list[Finding]:
    """Let the doctor look at the work queues."""
    return azure.do(work_findings(azure.ports(), azure.settings))
