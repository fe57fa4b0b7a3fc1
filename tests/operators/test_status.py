"""What ``status`` and the status page are made of: the real responder's rows, in an operator's words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localazure.world.world import SUBSCRIPTION
from spot_responder.clients.rows.table_rows import pool_from_row
from spot_responder.commands.status import render
from spot_responder.decisions.app_health.event_path import EventPathState, SilentPath, event_path
from spot_responder.decisions.evidence import Evidence
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import Policy
from spot_responder.decisions.pools import PoolGate, PoolId
from spot_responder.decisions.publishing.notices import PUZZLED_AFTER, due_notices
from spot_responder.decisions.recoveries import note
from spot_responder.decisions.situations import Wait
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.signals import SignalKind
from spot_responder.intake.vms import VmId
from spot_responder.operators.act import hold
from spot_responder.operators.views.dead_letters import QueueCounts, Unseen, WakeCounts
from spot_responder.operators.views.open_recovery import RecoveryState, open_recovery
from spot_responder.operators.views.status import (
    Coverage,
    Overview,
    PoolState,
    headline,
    held_and_up,
    how_many,
    overview,
    pool_state,
)
from spot_responder.operators.views.vm_names import names
from spot_responder.terminal.console import Console
from tests.harness.makers import POOLS, RECOVERIES, TEN, TIMES, VM_ID, accepted, at, failure, recovery
from tests.harness.stories import notices

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.decisions.recoveries import Recovery
    from tests.harness.stories import NewAzure, StoryAzure

POOL_ID = PoolId("s", "westeurope", "", "standard_d2s_v5")
NOTHING = QueueCounts(0, 0, 0, 0, 0)


def seen(azure: StoryAzure, queues: QueueCounts = NOTHING) -> Overview:
    """Look at what the responder has written."""
    rows = [stored.value for stored in azure.do(azure.ports().store.all_recoveries())]
    pools = [pool_from_row(row) for row, _ in azure.storage.pools.rows.values()]
    return overview(rows, azure.history, pools, queues, azure.now)


def test_nothing_is_going_on(new_azure: NewAzure) -> None:
    """All empty, nothing wrong; of the event path nothing is known."""
    said = seen(new_azure())
    assert (said.recoveries, said.held, said.pools, said.problems) == ((), (), (), ())
    assert said.event_path.state is EventPathState.QUIET


def test_an_outage_of_a_pool(new_azure: NewAzure) -> None:
    """Three VMs down, one pool closed; the events told of each."""
    azure = new_azure()
    for name in ("render-1", "render-2", "render-3"):
        azure.add_vm(name)
        azure.world.evict(name)
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.run_until(at("10:20"))
    said = seen(azure)
    assert {case.vm_id.name for case in said.recoveries} == {"render-1", "render-2", "render-3"}
    refused = [case for case in said.recoveries if case.state is RecoveryState.REFUSED]
    assert {case.failure for case in refused} == {FailureKind.CAPACITY}
    assert refused[0].azure_said.startswith("AllocationFailed: ")
    (pool,) = said.pools
    assert str(pool.pool_id) == "standard_d2s_v5 in westeurope"
    assert pool.state is not PoolState.OPENING
    assert (said.event_path.state, said.event_path.told_by_event) == (EventPathState.WORKS, 3)
    assert said.problems == ()


def test_after_it_is_over_nothing_is_open(new_azure: NewAzure) -> None:
    """Restored: no recovery, and the pool without refusals."""
    azure = new_azure()
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    said = seen(azure)
    assert (said.recoveries, said.pools) == ((), ())
    assert said.event_path.told_by_event == 1


def test_events_that_do_not_arrive_are_seen(new_azure: NewAzure) -> None:
    """The sweep found the newest eviction: the event path is silent, and a command says where to look."""
    azure = new_azure()
    azure.add_vm()
    azure.script.lost = lambda _: True
    azure.world.evict("render-1")
    azure.run_until(at("10:30"))
    said = seen(azure)
    assert said.event_path.state is EventPathState.SILENT
    (problem,) = said.problems
    what = f"no event told of the newest eviction of subscription {SUBSCRIPTION}: the sweep found it"
    assert problem.what == f"{what} (1 VM since the last event)"
    assert problem.mend == ".venv/bin/spot-responder doctor"


def case(opened_at: datetime, by: SignalKind) -> Recovery:
    """Make a recovery that was opened so, some minutes after the eviction."""
    return replace(recovery(opened_at - timedelta(minutes=5)), opened_at=opened_at, opened_by=by)


def test_an_event_after_a_find_says_that_the_path_works_again() -> None:
    """Newest counts; what an operator asked for says nothing of the path, nor does what is older than a week."""
    found, told = SignalKind.SWEEP_FOUND, SignalKind.EVICTED
    path = event_path([case(at("09:00"), found), replace(case(at("09:30"), told), recovery_id="told")], TEN)
    assert (path.state, path.told_by_event, path.found_by_sweep) == (EventPathState.WORKS, 1, 1)
    earlier = replace(case(at("09:00"), told), recovery_id="told")
    assert event_path([earlier, case(at("09:30"), found)], TEN).state is EventPathState.SILENT
    assert event_path([case(at("09:00"), SignalKind.OPERATOR_ASKED)], TEN).state is EventPathState.QUIET
    assert event_path([case(TEN - timedelta(days=8), found)], TEN).state is EventPathState.QUIET


def test_what_its_owner_stopped_says_nothing_of_the_event_path() -> None:
    """Tagged while it was down, or its stop told late: the sweep finds it, and no eviction was missed."""
    found = case(at("09:30"), SignalKind.SWEEP_FOUND)
    stopped = found.closed(Outcome.STOPPED_BY_OWNER, at("09:31"), "its owner stopped it")
    nothing_known = replace(found, evidence=Evidence())
    unknown = replace(nothing_known, recovery_id="unknown")
    assert event_path([stopped, unknown], TEN).state is EventPathState.QUIET


def test_a_path_is_silent_by_itself_whatever_is_heard_of_another_subscription() -> None:
    """Each has topics of its own; a row that is in the history as well counts once."""
    found = replace(case(at("09:30"), SignalKind.SWEEP_FOUND), vm_id=VmId("Lost", "rg", "vm-1"))
    again = replace(found, recovery_id="again", vm_id=VmId("LOST", "rg", "vm-2"), opened_at=at("09:40"))
    heard = replace(case(at("09:50"), SignalKind.EVICTED), recovery_id="heard", vm_id=VmId("heard", "rg", "vm-1"))
    path = event_path([found, found, again, heard], TEN)
    assert (path.state, path.told_by_event, path.found_by_sweep) == (EventPathState.SILENT, 1, 2)
    assert path.silent == (SilentPath("lost", 2, at("09:40"), None),)
    (problem,) = overview([found, again, heard], [], [], NOTHING, TEN).problems[-1:]
    assert "subscription lost" in problem.what


def test_what_was_evicted_long_before_it_was_found_may_have_been_tagged_since() -> None:
    """Evicted last month, tagged today: no event was due, and nobody is woken for one."""
    late = replace(case(at("09:30"), SignalKind.SWEEP_FOUND), evidence=Evidence(evicted_at=TEN - timedelta(days=30)))
    assert event_path([late], TEN).state is EventPathState.QUIET


@pytest.mark.parametrize(
    ("coverage", "told", "dry_run", "said"),
    [
        (Coverage(58, 2), True, False, "All is well: nothing is being recovered"),
        (Coverage(58, 2), False, False, "Nothing is being recovered; whether events arrive is not known"),
        (Coverage(0, 60), True, False, "Nothing is covered: of 60 Spot VMs none carries the tag, or is left to us"),
        (Coverage(0, 0), True, False, "Nothing is covered: no Spot VM is to be seen"),
        (Coverage(None, None, "denied"), True, False, "how many VMs are covered could not be seen"),
        (Coverage(0, 2, for_work=3), True, False, "All is well: nothing is being recovered"),
        (Coverage(58, 2), True, True, "Nothing is being recovered, nor would it be: DRY_RUN is true"),
    ],
)
def test_all_is_well_only_where_vms_are_covered_and_events_arrive(
    coverage: Coverage, said: str, *, told: bool, dry_run: bool
) -> None:
    """An untagged fleet with a broken event path is as quiet as a healthy one, and is not called so."""
    history = [recovery().closed(Outcome.RESTORED, at("10:01"), "it runs again")] if told else []
    now_seen = overview([], history, [], NOTHING, at("10:30"), coverage=coverage, dry_run=dry_run)
    assert said in headline(now_seen)


def test_vms_of_work_queues_are_counted_by_themselves() -> None:
    """They are started, though the restart tag does not decide about them."""
    assert how_many(Coverage(5, 1, for_work=2)) == "5 covered, 2 for work, 1 not"
    assert how_many(Coverage(5, 1)) == "5 covered, 1 not"


def test_a_held_vm_that_is_down_appears_once() -> None:
    """As a recovery that is held; among the held ones stand those that no recovery shows."""
    down = refused(FailureKind.CAPACITY, replace(VM_ID, name="down-1"), held_at=at("10:10"))
    up = note(VM_ID, "id", at("10:01"), SignalKind.OPERATOR_ASKED, "an operator held it")
    up = replace(up, held_at=at("10:01"))
    said = overview([down, up], [], [], NOTHING, at("10:30"))
    assert len(said.held) == 2
    assert [vm.vm_id.name for vm in held_and_up(said)] == ["render-1"]
    text = render(said, Console(at("10:30"), UTC))
    assert text.count("down-1") == 1
    assert "(since 10:10:00)" in text


def test_a_hold_is_seen_with_a_recovery_and_without(new_azure: NewAzure) -> None:
    """Whom an operator holds, since when."""
    azure = new_azure()
    for name in ("render-1", "render-2"):
        vm = azure.add_vm(name)
        azure.do(hold(azure.ports().store, VmId.parse(vm.vm_id), azure.now, lambda: "hold-1"))
    azure.run_until(at("10:01"))
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    said = seen(azure)
    assert [vm.vm_id.name for vm in said.held] == ["render-1", "render-2"]
    (only,) = said.recoveries
    assert (only.state, only.held_at) == (RecoveryState.HELD, at("10:00"))


def test_messages_that_nobody_could_handle_are_a_problem(new_azure: NewAzure) -> None:
    """Counted, in singular and plural, with the command that shows them."""
    said = seen(new_azure(), QueueCounts(3, 1, 2, 5, 4))
    assert [problem.what for problem in said.problems] == [
        "1 message in signals-poison: given up by the host",
        "4 messages in agents-poison: given up by the host",
        "2 blobs in event-dead-letters: not delivered by Event Grid",
    ]
    assert {problem.mend for problem in said.problems} == {".venv/bin/spot-responder replay list"}


def test_wakes_that_nobody_could_handle_are_a_problem_where_there_are_work_queues(new_azure: NewAzure) -> None:
    """Counted like the others; a deployment without work queues has no such queue, and none is shown."""
    said = seen(new_azure(), QueueCounts(0, 0, 0, 0, 0, wakes=WakeCounts(2, 1)))
    assert [problem.what for problem in said.problems] == ["1 message in wakes-poison: given up by the host"]
    assert "agents-poison 0, wakes 2, wakes-poison 1, event-dead-letters 0" in render(said, Console(TEN, UTC))
    assert "wakes" not in render(seen(new_azure(), NOTHING), Console(TEN, UTC))


def test_a_queue_that_does_not_answer_is_a_problem(new_azure: NewAzure) -> None:
    """With why and what to do; what only the login may not see is none."""
    wrong = Unseen("signals", "nobody answers at https://q", "is it right?", is_wrong=True)
    hidden = Unseen("signals-poison", "this login may not", "have a role assigned", is_wrong=False)
    (problem,) = seen(new_azure(), QueueCounts(None, None, 0, 0, 0, (wrong, hidden))).problems
    assert (problem.what, problem.mend) == (
        "signals could not be looked into: nobody answers at https://q",
        "is it right?",
    )


def test_what_could_not_be_counted_is_no_problem_of_its_own(new_azure: NewAzure) -> None:
    """Not seen is not zero, and not wrong."""
    assert seen(new_azure(), QueueCounts(None, None, None, None, None)).problems == ()


def test_a_look_that_did_not_happen_is_a_problem() -> None:
    """The app does not run: the first five are named."""
    late = [
        replace(recovery(TEN).waiting(at("10:01"), "because"), vm_id=VmId("s", "g", f"vm-{number}"))
        for number in range(7)
    ]
    said = overview(late, [], [], NOTHING, at("10:10"))
    assert all(case.is_overdue for case in said.recoveries)
    assert "at vm-0, vm-1, vm-2, vm-3, vm-4 and 2 more: the app does not run" in said.problems[0].what
    assert not any(case.is_overdue for case in overview(late, [], [], NOTHING, at("10:02")).recoveries)


def refused(kind: FailureKind, vm_id: VmId = VM_ID, **fields: Any) -> Recovery:  # noqa: ANN401 - whatever a row has
    """Make a recovery that Azure refused."""
    row = accepted().refused(failure(kind), counts=True).waiting(at("11:00"), "Azure refused")
    return replace(row, vm_id=vm_id, **fields)


@pytest.mark.parametrize("kind", FailureKind)
def test_what_does_not_pass_by_itself_is_a_problem_as_it_is_an_event(kind: FailureKind) -> None:
    """With the VM, the reason, and the command that says more; what nobody knows, once it came three times."""
    row = refused(kind)
    told = due_notices(row, Wait(at("11:00"), ""), at("10:30"))
    assert bool(overview([row], [], [], NOTHING, at("10:30")).problems) == bool(told)
    third = replace(row, failures=replace(row.failures, in_a_row=PUZZLED_AFTER))
    found = overview([third], [], [], NOTHING, at("10:30")).problems
    assert bool(found) == bool(due_notices(third, Wait(at("11:00"), ""), at("10:30")))
    for problem in found:
        assert (problem.what, problem.mend) == ("render-1: Azure refused", ".venv/bin/spot-responder explain render-1")


def test_the_brake_needs_somebody(new_azure: NewAzure) -> None:
    """Restarted as often as is allowed: one problem, at ``status`` and page, as there is one event."""
    azure = new_azure(Policy(restarts_per_day=1))
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:10"))
    azure.world.evict("render-1")
    azure.run_until(at("10:20"))
    said = seen(azure)
    (problem,) = said.problems
    assert problem.what == "render-1: the brake: restarted 1 time within a day, the most that is allowed"
    assert headline(said) == "1 thing needs somebody"
    assert notices(azure).count("render-1 brake") == 1


def test_three_hundred_vms_without_quota_are_one_problem() -> None:
    """The first five by name, and how many more; another subscription is another problem."""
    many = [refused(FailureKind.QUOTA, replace(VM_ID, name=f"vm-{number}")) for number in range(300)]
    other = refused(FailureKind.QUOTA, VmId("other", "rg-batch", "lone-1"))
    found = overview([*many, other], [], [], NOTHING, at("10:30")).problems
    assert [problem.what for problem in found] == [
        "vm-0, vm-1, vm-2, vm-3, vm-4 and 295 more: Azure refused",
        "lone-1: Azure refused",
    ]


def test_two_vms_of_one_name_are_told_apart() -> None:
    """With their groups for people, by their ids for commands."""
    twins = [refused(FailureKind.DENIED, VmId("s", group, "twin-1")) for group in ("rg-a", "rg-b")]
    (problem,) = overview(twins, [], [], NOTHING, at("10:30")).problems
    assert problem.what == "twin-1 in rg-a, twin-1 in rg-b: Azure refused"
    assert problem.mend == f".venv/bin/spot-responder explain {twins[0].vm_id}"
    ids = [VmId("s1", "rg", "vm"), VmId("s2", "RG", "VM"), VmId("s1", "rg-2", "other")]
    assert [names(ids)[vm_id] for vm_id in ids] == [str(ids[0]), str(ids[1]), "other"]


def test_a_held_vm_needs_nobody_and_is_not_on_its_way() -> None:
    """Whatever was refused before; and the headline says how many are held."""
    held = refused(FailureKind.QUOTA, held_at=at("10:10"))
    said = overview([held], [], [], NOTHING, TEN + timedelta(hours=30), dry_run=True)
    assert said.problems == ()
    assert headline(said) == "Nobody is needed: 1 VM held by an operator"
    assert said.recoveries[0].reason == "an operator holds it: not started until it is released"


def test_the_headline_counts_the_vms_that_come_up_that_wait_and_that_are_held() -> None:
    """Nobody is needed, and no more is promised than is so."""
    rows = [
        replace(accepted(), vm_id=replace(VM_ID, name="up-1"), wake_at=at("10:31")),
        refused(FailureKind.CAPACITY),
        refused(FailureKind.CAPACITY, replace(VM_ID, name="held-1"), held_at=at("10:10")),
    ]
    said = overview(rows, [], [], NOTHING, at("10:30"))
    assert headline(said) == ("Nobody is needed: 1 VM coming up, 1 VM waiting to be started, 1 VM held by an operator")


def test_a_day_without_the_vm_is_a_problem() -> None:
    """No capacity since yesterday."""
    row = accepted().refused(failure(FailureKind.CAPACITY), counts=True).waiting(TEN + timedelta(hours=26), "none")
    (problem,) = overview([row], [], [], NOTHING, TEN + timedelta(hours=25)).problems
    assert problem.what == "down for longer than a day: render-1"


def test_a_start_under_way_is_called_starting() -> None:
    """Accepted is not running."""
    assert open_recovery(accepted(), at("10:00:20")).state is RecoveryState.STARTING
    assert open_recovery(recovery(), TEN).state is RecoveryState.WAITING


def test_in_a_dry_run_no_look_is_overdue() -> None:
    """It looks, and moves nothing on: an hour later nobody is told that the app does not run."""
    case = recovery().waiting(at("10:01"), "because")
    assert open_recovery(case, at("11:00")).is_overdue
    assert not open_recovery(case, at("11:00"), dry_run=True).is_overdue


def test_a_pool_that_opens_step_by_step() -> None:
    """Closed, probed, opening, open."""
    gate = PoolGate(pool_id=POOL_ID, refusals=2, closed_until=at("10:10"), width=1, under_way={"a": at("10:12")})
    closed, probing = pool_state(gate, at("10:05")), pool_state(gate, at("10:11"))
    assert closed is not None
    assert probing is not None
    assert (closed.state, probing.state) == (PoolState.CLOSED, PoolState.PROBING)
    assert (probing.starts_under_way, probing.starts_allowed) == (1, 1)
    opening = pool_state(replace(gate, refusals=0, width=4), at("10:13"))
    assert opening is not None
    assert (opening.state, opening.starts_under_way) == (PoolState.OPENING, 0)
    due = pool_state(gate, at("10:13"))
    assert due is not None
    assert due.state is PoolState.DUE
    assert pool_state(gate, at("11:10")) is not None
    assert pool_state(gate, at("11:11")) is None
    assert pool_state(PoolGate(POOL_ID, under_way={"a": at("10:12")}), at("10:05")) is None


@given(st.lists(RECOVERIES, max_size=5), st.lists(RECOVERIES, max_size=3), st.lists(POOLS, max_size=3), TIMES)
def test_whatever_the_rows_there_is_an_overview(
    rows: list[Recovery], history: list[Recovery], pools: list[PoolGate], now: datetime
) -> None:
    """Every open row is a recovery, and every hold is shown."""
    said = overview(rows, history, pools, NOTHING, now)
    assert len(said.recoveries) == sum(row.is_open for row in rows)
    assert len(said.held) == sum(row.held_at is not None for row in rows)
