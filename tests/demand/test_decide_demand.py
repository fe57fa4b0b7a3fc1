"""Which VMs a work queue asks for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_responder.demand.decide_demand import STARTS_A_LOOK, decide_demand, work_of
from spot_responder.demand.looks import Doing, Trouble, VmWatch
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.vms import PowerState
from tests.demand.made import NAME, look, nothing_kept, queue, seen, vm, word
from tests.harness.makers import TEN, asking, at, failure, recovery, recovery_under_way

LATER = TEN + timedelta(minutes=11)


def names(demand_start: tuple[object, ...]) -> list[str]:
    """Give the names of VMs."""
    return [str(vm_id).rpartition("/")[2] for vm_id in demand_start]


def test_a_message_that_nobody_holds_starts_a_vm() -> None:
    """And the reason has all the numbers."""
    demand = decide_demand(look(1, 1, seen()), nothing_kept(), queue(messages_per_vm=5), TEN)
    assert names(demand.start) == ["vm-1"]
    reason = "1 message, 1 of them to take; 5 a VM, at most 10 VMs: 1 VM for them; 1 ready; 1 to start"
    assert demand.watch.reason == reason
    assert demand.goes_on
    assert demand.watch.waiting_since == TEN


def test_messages_in_work_start_nothing() -> None:
    """keda#636, #4432: invisible messages were counted, and workers came that had nothing to do."""
    demand = decide_demand(look(0, 7, seen()), nothing_kept(), queue(), TEN)
    assert demand.start == ()
    assert demand.goes_on


def test_a_new_message_while_one_job_runs_starts_a_vm() -> None:
    """keda#1222: visible minus running was none, and the message waited for the first job's end."""
    busy = seen("vm-1", PowerState.RUNNING, word(Doing.BUSY))
    demand = decide_demand(look(1, 2, busy, seen("vm-2")), nothing_kept(), queue(), TEN)
    assert names(demand.start) == ["vm-2"]


def test_a_slow_boot_starts_no_second_vm_for_the_same_message() -> None:
    """keda#525: one more worker with each poll."""
    first = decide_demand(look(1, 1, seen("vm-1"), seen("vm-2")), nothing_kept(), queue(), TEN)
    second = decide_demand(look(1, 1, seen("vm-1"), seen("vm-2")), first.watch, queue(), TEN + timedelta(minutes=1))
    third = decide_demand(
        look(1, 1, seen("vm-1", PowerState.STARTING), seen("vm-2")), second.watch, queue(), TEN + timedelta(minutes=3)
    )
    assert (names(first.start), second.start, third.start) == (["vm-1"], (), ())


def test_an_idle_vm_takes_the_job_and_none_is_started() -> None:
    """ghr#2306: a machine was started though an idle one took the job."""
    idle = seen("vm-1", PowerState.RUNNING, word())
    assert decide_demand(look(1, 1, idle, seen("vm-2")), nothing_kept(), queue(), TEN).start == ()


def test_the_formula_never_passes_its_own_maximum() -> None:
    """batch-shipyard#239: 58 of 27. ghr#2449: always at the maximum."""
    vms = [seen(f"vm-{number}") for number in range(9)]
    up = [seen(f"up-{number}", PowerState.RUNNING, word(Doing.BUSY)) for number in range(2)]
    assert len(decide_demand(look(999, 999, *vms, *up), nothing_kept(), queue(max_vms=5), TEN).start) == 3
    assert decide_demand(look(999, 999, *vms, *up), nothing_kept(), queue(max_vms=1), TEN).start == ()


def test_a_wild_count_starts_only_so_many_at_once() -> None:
    """At most K starts a look."""
    vms = [seen(f"vm-{number:02}") for number in range(60)]
    assert len(decide_demand(look(60, 60, *vms), nothing_kept(), queue(max_vms=100), TEN).start) == STARTS_A_LOOK


def test_spot_before_regular_and_the_last_used_first() -> None:
    """By what its worker wrote last; else by its last recovery; else by its name."""
    regular = seen("regular", PowerState.DEALLOCATED, word(), priority="Regular")
    old = seen("old", PowerState.DEALLOCATED, word(at=TEN - timedelta(days=1)))
    new = seen("new", PowerState.DEALLOCATED, word(at=TEN - timedelta(hours=1)))
    demand = decide_demand(look(4, 4, seen("never"), regular, old, new), nothing_kept(), queue(), TEN)
    assert names(demand.start) == ["new", "old", "never", "regular"]


def test_a_vm_that_does_not_boot_is_counted_and_the_next_one_is_tried() -> None:
    """ghr#3535, #3493: the wake-up was deleted, the boot script failed, and nobody tried again."""
    up = seen("vm-1", PowerState.RUNNING)
    first = decide_demand(look(1, 1, up, seen("vm-2")), nothing_kept(), queue(), TEN)
    assert first.start == ()
    later = decide_demand(look(1, 1, up, seen("vm-2")), first.watch, queue(), LATER)
    assert names(later.start) == ["vm-2"]
    assert [trouble for _, trouble in later.troubles] == [Trouble.SILENT]
    assert later.watch.vms[up.vm.vm_id.key].boot_failures == 1
    again = decide_demand(look(0, 1, up, seen("vm-2")), later.watch, queue(), LATER + timedelta(minutes=1))
    assert again.troubles == ()
    assert again.watch.vms[up.vm.vm_id.key].boot_failures == 1


def test_a_vm_that_boots_after_all_is_as_good_as_any() -> None:
    """Its failures are forgotten with its first word."""
    key = vm().vm_id.key
    before = replace(nothing_kept(), vms={key: VmWatch(up_since=TEN, boot_failures=2)})
    spoke = seen("vm-1", PowerState.RUNNING, word(at=LATER))
    assert decide_demand(look(0, 0, spoke), before, queue(), LATER).watch.vms[key].boot_failures == 0


def test_a_vm_without_capacity_does_not_hold_up_another_size() -> None:
    """AKS#5589: no way round VMs that cannot start. Those of the same pool wait with it."""
    refused = replace(asking().refused(failure(FailureKind.CAPACITY), counts=True), wake_at=LATER)
    waits = seen("vm-1", recovery=refused)
    vms = (waits, seen("vm-2"), seen("vm-3", size="Standard_D4s_v5"))
    demand = decide_demand(look(1, 1, *vms), nothing_kept(), queue(), TEN + timedelta(minutes=1))
    assert names(demand.start) == ["vm-3"]
    assert waits.vm.vm_id.key in demand.watch.asked_for
    assert "2 ready, 1 of these in a pool without capacity just now; 1 to start" in demand.watch.reason
    full = decide_demand(look(1, 1, *vms), nothing_kept(), queue(max_vms=1), TEN + timedelta(minutes=1))
    assert waits.vm.vm_id.key not in full.watch.asked_for


def test_a_vm_that_waits_keeps_its_place_for_a_moment_after_its_queue_ceased_to_ask_for_it() -> None:
    """By what the look before decided, its start may be on its way: another VM at once would be one too many."""
    refused = asking().refused(failure(FailureKind.CAPACITY), counts=True)
    vms = (seen("vm-1", recovery=replace(refused, wake_at=LATER)), seen("vm-2", size="Standard_D4s_v5"))
    before = replace(nothing_kept(), asked_for=frozenset({vm("vm-1").vm_id.key}))
    first = decide_demand(look(2, 2, *vms), before, queue(max_vms=1), TEN)
    assert (first.start, first.watch.asked_for) == ((), frozenset())
    soon = decide_demand(look(2, 2, *vms), first.watch, queue(max_vms=1), TEN + timedelta(seconds=40))
    assert (soon.start, soon.watch.asked_for) == ((), frozenset())
    later = decide_demand(look(2, 2, *vms), soon.watch, queue(max_vms=1), TEN + timedelta(seconds=60))
    assert names(later.start) == ["vm-2"]
    assert vm("vm-1").vm_id.key not in later.watch.vms
    with_room = decide_demand(look(2, 2, *vms), before, queue(max_vms=2), TEN)
    assert names(with_room.start) == ["vm-2"]


def test_an_evicted_vm_is_asked_for_while_there_is_work() -> None:
    """It served a moment ago, so that its eviction starts it at once; not where there are more VMs than work."""
    vms = [seen(f"vm-{number}", PowerState.RUNNING, word(Doing.BUSY)) for number in range(2)]
    assert len(decide_demand(look(0, 2, *vms), nothing_kept(), queue(), TEN).watch.asked_for) == 2
    assert not decide_demand(look(0, 1, *vms), nothing_kept(), queue(), TEN).watch.asked_for
    assert not decide_demand(look(0, 0, *vms), nothing_kept(), queue(), TEN).watch.asked_for


def test_a_vm_that_a_look_sees_going_down_is_asked_for_where_it_will_be_missed() -> None:
    """Evicted at 10:00, looked at in the middle: it is started when that is told, not with the look of 10:01."""
    going, serving = seen("vm-1", PowerState.DEALLOCATING), seen("vm-2", PowerState.RUNNING, word())

    def asked_for(visible: int, total: int) -> int:
        demand = decide_demand(look(visible, total, going, serving), nothing_kept(), queue(max_vms=2), TEN)
        assert demand.start == ()
        return len(demand.watch.asked_for)

    assert asked_for(2, 2) == 2
    assert asked_for(1, 1) == 1
    assert asked_for(0, 2) == 1


@pytest.mark.parametrize("state", [PowerState.RUNNING, PowerState.DEALLOCATING])
def test_a_vm_that_would_come_back_above_the_maximum_is_not_asked_for(state: PowerState) -> None:
    """Its owner started a second one, and a third was shut down inside: of the two that may be up, both still are."""
    words = (word(Doing.BUSY),) if state is PowerState.RUNNING else ()
    others = seen("vm-2", PowerState.RUNNING, word(Doing.BUSY)), seen("vm-3", PowerState.STOPPED)

    def asks_for_it(max_vms: int) -> bool:
        one = seen("vm-1", state, *words)
        demand = decide_demand(look(9, 9, one, *others), nothing_kept(), queue(max_vms=max_vms), TEN)
        return one.vm.vm_id.key in demand.watch.asked_for

    assert not asks_for_it(2)
    assert asks_for_it(3)


def test_nothing_goes_on_where_nothing_is_to_do() -> None:
    """Nothing polls: no messages and no VM up; or no VM at all."""
    assert not decide_demand(look(0, 0, seen()), nothing_kept(), queue(), TEN).goes_on
    assert not decide_demand(look(3, 3), nothing_kept(), queue(), TEN).goes_on
    assert decide_demand(look(0, 0, seen("vm-1", PowerState.RUNNING)), nothing_kept(), queue(), TEN).goes_on
    assert (
        "no VM has the tag StartForWork=farm/frames"
        in decide_demand(look(3, 3), nothing_kept(), queue(), TEN).watch.reason
    )


def test_a_vm_that_was_shut_down_inside_is_told_of_after_five_minutes() -> None:
    """It is billed; Azure shows that for a moment on the way down as well."""
    stopped = seen("vm-1", PowerState.STOPPED)
    first = decide_demand(look(0, 0, stopped), nothing_kept(), queue(), TEN)
    assert first.troubles == ()
    later = decide_demand(look(0, 0, stopped), first.watch, queue(), TEN + timedelta(minutes=5))
    assert [trouble.says for _, trouble in later.troubles] == [Trouble.SHUT_DOWN_INSIDE.says]


def test_a_vm_that_never_gets_further_than_stopping_is_told() -> None:
    """It is billed, and not deallocated; Azure shows that for a moment only, as a rule."""
    first = decide_demand(look(0, 0, seen("vm-1", PowerState.STOPPING)), nothing_kept(), queue(), TEN)
    soon = decide_demand(look(0, 0, seen("vm-1", PowerState.STOPPING)), first.watch, queue(), at("10:04"))
    later = decide_demand(look(0, 0, seen("vm-1", PowerState.STOPPING)), soon.watch, queue(), at("10:05"))
    told = [[trouble for _, trouble in demand.troubles] for demand in (first, soon, later)]
    assert told == [[], [], [Trouble.SHUT_DOWN_INSIDE]]


@pytest.mark.parametrize(
    ("visible", "total", "is_told"), [(0, 0, True), (1, 1, False), (0, 1, True)], ids=["idle", "work", "beside others"]
)
def test_a_vm_that_stays_up_without_work_is_told_of(visible: int, total: int, *, is_told: bool) -> None:
    """Jenkins azure-vm-agents#215: idle, and never deallocated. Nobody stops it from outside. With work it is fine."""
    key = vm().vm_id.key
    since = TEN - timedelta(hours=1)
    before = replace(nothing_kept(), vms={key: VmWatch(up_since=since, idle_since=since)})
    demand = decide_demand(look(visible, total, seen("vm-1", PowerState.RUNNING, word())), before, queue(), TEN)
    assert [trouble for _, trouble in demand.troubles] == ([Trouble.STAYS_UP] if is_told else [])


def test_a_row_of_a_slot_that_is_gone_hides_nothing() -> None:
    """The worker had two slots ten days ago, and has one; its row of then stays in the table."""
    key, since = vm().vm_id.key, TEN - timedelta(hours=1)
    before = replace(nothing_kept(), vms={key: VmWatch(up_since=since, idle_since=since)})
    gone = word(Doing.BUSY, TEN - timedelta(days=10))
    idle = decide_demand(look(0, 0, seen("vm-1", PowerState.RUNNING, word(), gone)), before, queue(), TEN)
    assert [trouble for _, trouble in idle.troubles] == [Trouble.STAYS_UP]
    waits = decide_demand(look(1, 1, seen("vm-1", PowerState.RUNNING, word(), gone)), before, queue(), TEN)
    assert waits.watch.unserved_since == TEN


def test_a_vm_whose_stop_is_refused_again_and_again_is_told_of_once() -> None:
    """It writes "stopping" each ten minutes, and "idle" in between: somebody is told when that has lasted, once."""
    watch, told = nothing_kept(), list[object]()
    for minute in range(120):
        now = TEN + timedelta(minutes=minute)
        doing = word(Doing.STOPPING, now, stops_vm=True) if minute % 10 in {0, 1} else word(at=now)
        demand = decide_demand(look(0, 0, seen("vm-1", PowerState.RUNNING, doing)), watch, queue(), now)
        watch, told = demand.watch, [*told, *(trouble for _, trouble in demand.troubles)]
    assert told == [Trouble.STAYS_UP]


def test_a_vm_that_is_asked_for_in_vain_holds_no_other_one_up() -> None:
    """ARM refuses to show the first one, for hours: the next one is asked for, and the first one ever more seldom."""
    watch, asked = nothing_kept(), list[str]()
    for minute in range(120):
        now = TEN + timedelta(minutes=minute)
        demand = decide_demand(look(1, 1, seen("vm-1"), seen("vm-2")), watch, queue(messages_per_vm=9), now)
        watch, asked = demand.watch, [*asked, *names(demand.start)]
    assert asked[:2] == ["vm-1", "vm-2"]
    assert len(asked) < 20


def test_a_vm_that_is_going_down_keeps_its_place_until_it_is_down() -> None:
    """It stops itself, and was asked for in vain a moment ago: nobody is started beside it. Else it is asked for."""
    stops = word(Doing.STOPPING, TEN - timedelta(minutes=1), stops_vm=True)
    going, ready = seen("vm-1", PowerState.DEALLOCATING, stops), seen("vm-2")
    in_vain = VmWatch(asked_at=TEN - timedelta(minutes=3), asks_in_vain=2)
    before = replace(nothing_kept(), vms={going.vm.vm_id.key: in_vain})
    assert names(decide_demand(look(1, 1, going, ready), before, queue(max_vms=1), TEN).start) == []
    assert names(decide_demand(look(1, 1, going, ready), before, queue(max_vms=2), TEN).start) == ["vm-2"]
    assert names(decide_demand(look(2, 2, going, ready), nothing_kept(), queue(max_vms=1), TEN).start) == ["vm-1"]
    down = seen("vm-1", PowerState.DEALLOCATED, stops)
    assert names(decide_demand(look(1, 1, down, ready), before, queue(max_vms=1), TEN).start) == ["vm-2"]


def test_a_vm_that_serves_was_not_asked_for_in_vain_though_its_clock_is_behind() -> None:
    """Its worker's word is half a minute older than the look that saw it up first."""
    half_a_minute = timedelta(seconds=30)
    busy = seen("vm-1", PowerState.RUNNING, word(Doing.BUSY, TEN - 2 * half_a_minute))
    before = replace(nothing_kept(), vms={vm().vm_id.key: VmWatch(up_since=TEN - half_a_minute, asks_in_vain=1)})
    after = decide_demand(look(0, 1, busy), before, queue(), TEN)
    assert after.watch.vms[vm().vm_id.key].asks_in_vain == 0


def test_a_vm_that_resource_graph_leaves_out_for_a_moment_still_counts() -> None:
    """It was asked for, or was up, at the look before; two minutes later it counts as gone."""
    asked = decide_demand(look(1, 1, seen("vm-1"), seen("vm-2")), nothing_kept(), queue(max_vms=1), TEN)
    minute = timedelta(minutes=1)
    without = decide_demand(look(1, 1, seen("vm-2")), asked.watch, queue(max_vms=1), TEN + minute)
    again = decide_demand(look(1, 1, seen("vm-2")), without.watch, queue(max_vms=1), TEN + 2 * minute)
    later = decide_demand(look(1, 1, seen("vm-2")), again.watch, queue(max_vms=1), TEN + 3 * minute)
    assert (names(asked.start), names(without.start), names(later.start)) == (["vm-1"], [], ["vm-2"])


def test_a_vm_that_a_follow_up_may_have_started_counts_where_it_is_left_out() -> None:
    """At the look before it waited for its start, and was asked for; nothing was ever seen of it up."""
    waits = recovery_under_way()
    first = decide_demand(look(1, 1, seen("vm-1", recovery=waits)), nothing_kept(), queue(max_vms=1), TEN)
    assert first.watch.asked_for == {vm("vm-1").vm_id.key}
    later = TEN + timedelta(minutes=6)
    demand = decide_demand(look(1, 1, seen("vm-2")), first.watch, queue(max_vms=1), later)
    assert names(demand.start) == []
    gone = decide_demand(look(1, 1, seen("vm-2")), demand.watch, queue(max_vms=1), later + timedelta(minutes=2))
    assert names(gone.start) == ["vm-2"]


def test_a_vm_that_is_left_out_after_looks_that_failed_still_counts_for_two_minutes() -> None:
    """It served at 10:00; the next looks that see anything are at 10:05, two within seconds."""
    runs = look(9, 9, seen("vm-1", PowerState.RUNNING, word(Doing.BUSY)), seen("vm-2"))
    watch = decide_demand(runs, nothing_kept(), queue(max_vms=1), TEN).watch
    for seconds in (300, 304, 400):
        demand = decide_demand(look(9, 9, seen("vm-2")), watch, queue(max_vms=1), TEN + timedelta(seconds=seconds))
        assert names(demand.start) == []
        watch = demand.watch
    shown = decide_demand(runs, watch, queue(max_vms=1), TEN + timedelta(seconds=410))
    assert shown.watch.vms[vm("vm-1").vm_id.key].left_out_since is None
    gone = decide_demand(look(9, 9, seen("vm-2")), watch, queue(max_vms=1), TEN + timedelta(seconds=421))
    assert names(gone.start) == ["vm-2"]


def test_a_vm_whose_workers_serve_another_queue_is_not_started_again_and_again() -> None:
    """It comes up, says nothing here, and stops itself after minutes: then another one has its turn."""
    key = vm().vm_id.key
    asked = decide_demand(look(1, 1, seen("vm-1"), seen("vm-2")), nothing_kept(), queue(), TEN)
    up = seen("vm-1", PowerState.RUNNING)
    runs = decide_demand(look(1, 1, up, seen("vm-2")), asked.watch, queue(), TEN + timedelta(minutes=3))
    assert key not in runs.watch.asked_for
    down = decide_demand(look(1, 1, seen("vm-1"), seen("vm-2")), runs.watch, queue(), TEN + timedelta(minutes=6))
    assert names(down.start) == ["vm-2"]


def test_of_vms_that_were_asked_for_in_vain_each_has_its_turn() -> None:
    """Both as often: then not the one that was used last, but the one whose ask is longest ago."""
    hour = timedelta(hours=1)
    asked = {"vm-1": VmWatch(asked_at=TEN - hour, asks_in_vain=1), "vm-2": VmWatch(asked_at=TEN, asks_in_vain=1)}
    before = replace(nothing_kept(), vms={vm(name).vm_id.key: vm_watch for name, vm_watch in asked.items()})
    vms = (seen("vm-1"), seen("vm-2", PowerState.DEALLOCATED, word()))
    assert names(decide_demand(look(1, 1, *vms), before, queue(), LATER).start) == ["vm-1"]


def test_a_vm_that_was_asked_for_in_vain_keeps_its_place_while_that_start_may_still_be_sent() -> None:
    """The message that asks for it waited two minutes for storage, and is being answered as the next look is made."""
    vms, minute = (seen("vm-1"), seen("vm-2")), timedelta(minutes=1)
    watch, started = nothing_kept(), []
    for minutes in range(4):
        demand = decide_demand(look(6, 6, *vms), watch, queue(max_vms=1), TEN + minutes * minute)
        watch = demand.watch
        started.append(names(demand.start))
    assert started == [["vm-1"], [], [], ["vm-2"]]


def test_a_vm_whose_worker_spoke_after_it_was_asked_for_was_not_asked_for_in_vain_though_no_look_saw_that() -> None:
    """It was up and worked while the queue could not be read; its last word is of that run, not of the one before."""
    key, asked = vm().vm_id.key, VmWatch(asked_at=TEN, asks_in_vain=1)
    before = replace(nothing_kept(), vms={key: asked})
    for said_at, in_vain in ((TEN + timedelta(minutes=5), 0), (TEN + timedelta(minutes=1), 1)):
        down = seen("vm-1", PowerState.DEALLOCATED, word(Doing.STOPPING, said_at, stops_vm=True))
        watch = decide_demand(look(0, 0, down), before, queue(), LATER).watch
        assert watch.vms[key].asks_in_vain == in_vain


def test_a_vm_with_a_row_that_cannot_be_read_is_left_alone() -> None:
    """Each message about it would end on the poison queue."""
    odd = replace(seen("vm-1"), row_is_odd=True)
    demand = decide_demand(look(1, 1, odd, seen("vm-2")), nothing_kept(), queue(), TEN)
    assert names(demand.start) == ["vm-2"]
    assert "1 with a row that cannot be read" in demand.watch.reason


def test_a_word_of_the_years_to_come_is_not_believed() -> None:
    """Its worker is dead; a forged row says that it is busy until 2099."""
    forged = word(Doing.BUSY, TEN + timedelta(days=365))
    before = replace(nothing_kept(), vms={vm().vm_id.key: VmWatch(up_since=TEN - timedelta(hours=1))})
    demand = decide_demand(look(1, 1, seen("vm-1", PowerState.RUNNING, forged), seen("vm-2")), before, queue(), TEN)
    assert names(demand.start) == ["vm-2"]
    assert [trouble for _, trouble in demand.troubles] == [Trouble.SILENT]


def test_what_the_queue_asks_for_is_known_for_five_minutes() -> None:
    """Where it cannot be read, nobody starts and nobody gives up; where nothing is due, it asks for nothing."""
    demand = decide_demand(look(1, 1, seen("vm-1"), seen("vm-2")), nothing_kept(), queue(), TEN)
    due = replace(demand.watch, due_at=TEN + timedelta(minutes=1))
    assert work_of(vm("vm-1").vm_id, due, TEN).asks_for_it is True
    assert work_of(vm("vm-2").vm_id, due, TEN).asks_for_it is False
    overtaken = work_of(vm("vm-1").vm_id, due, TEN, TEN + timedelta(seconds=1))
    assert overtaken.asks_for_it is False
    assert overtaken.reason == (
        f"it stopped itself at 10:00:01Z, which {NAME} had not seen when it asked for it at 10:00:00Z"
    )
    assert work_of(vm("vm-1").vm_id, due, LATER).asks_for_it is None
    assert work_of(vm("vm-2").vm_id, replace(due, due_at=None), LATER).asks_for_it is False
    never = replace(nothing_kept(), due_at=TEN)
    assert work_of(vm("vm-1").vm_id, never, TEN).reason.startswith(f"{NAME} could not be read lately, last never")
    assert work_of(vm("vm-1").vm_id, nothing_kept(), TEN).asks_for_it is False


@given(
    st.integers(0, 200),
    st.integers(0, 200),
    st.integers(1, 10),
    st.integers(1, 40),
    st.integers(0, 40),
    st.integers(0, 40),
)
def test_no_more_vms_than_the_messages_need(  # noqa: PLR0913, PLR0917 - each is a number
    visible: int, held: int, per_vm: int, most: int, down: int, up: int
) -> None:
    """And none without a message that can be taken, and never more than there may be."""
    vms = [seen(f"down-{number}") for number in range(down)]
    vms += [seen(f"up-{number}", PowerState.RUNNING, word(Doing.BUSY)) for number in range(up)]
    total = visible + held
    asked = queue(messages_per_vm=per_vm, max_vms=most)
    started = len(decide_demand(look(visible, total, *vms), nothing_kept(), asked, TEN).start)
    assert started <= max(min(ceil(total / per_vm), most) - up, 0)
    assert started == 0 if not visible else True
    if visible and not up:
        assert started == min(ceil(total / per_vm), most, down, STARTS_A_LOOK)


def test_a_recovery_gives_when_a_vm_was_used_last() -> None:
    """Where no worker ever wrote."""
    closed = replace(recovery(), closed_at=TEN - timedelta(minutes=1))
    used = seen("used", recovery=replace(closed, evidence=closed.evidence.without_notice()))
    demand = decide_demand(look(1, 1, seen("a-vm"), used), nothing_kept(), queue(), TEN)
    assert names(demand.start) == ["used"]


def test_work_that_nobody_works_on_for_half_an_hour_is_told() -> None:
    """For want of capacity or VMs, or because workers do not take it; not while somebody is busy with another job."""
    busy = seen("vm-1", PowerState.RUNNING, word(Doing.BUSY, at("10:59")))
    first = decide_demand(look(3, 3), nothing_kept(), queue(), TEN)
    assert first.waits_since is None
    assert decide_demand(look(3, 3), first.watch, queue(), at("10:29")).waits_since is None
    assert decide_demand(look(3, 3), first.watch, queue(), at("10:30")).waits_since == TEN
    served = decide_demand(look(3, 4, busy), first.watch, queue(), at("11:00"))
    assert (served.waits_since, served.watch.unserved_since, served.watch.waiting_since) == (None, None, TEN)
    assert decide_demand(look(0, 0), first.watch, queue(), at("11:00")).waits_since is None
