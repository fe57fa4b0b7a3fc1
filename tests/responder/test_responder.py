"""What happens to a VM, told as stories: the real responder, a world with a virtual clock."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from localazure.virtual.wire import RequestKind
from localazure.world.happenings import Annotated, AvailabilityChanged
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import Policy, RestartWhen
from tests.harness.makers import TEN, at
from tests.harness.stories import MOMENT, outcomes, preempted, starts

if TYPE_CHECKING:
    from tests.harness.stories import NewAzure

MINUTE = timedelta(minutes=1)


def test_an_evicted_vm_comes_back_after_one_start(new_azure: NewAzure) -> None:
    """Evicted at 10:00, down 15 s later, asked for at its end, running within the minute."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    assert vm.power_state == "running"
    assert starts(azure) == ["10:00:16"]
    assert outcomes(azure) == [Outcome.RESTORED]
    assert azure.history[0].reason.startswith("it runs again, 37 s after it went down")
    assert azure.history[0].down_since == TEN
    assert str(azure.history[0].pool) == "standard_d2s_v5 in westeurope"


def test_while_there_is_no_capacity_it_is_asked_seldom_and_it_comes_back_when_there_is(new_azure: NewAzure) -> None:
    """No capacity from 10:00 to 10:20: a handful of starts with growing pauses, and it runs before 10:31."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:20"))
    azure.world.set_capacity(azure.pool_key(), None)
    azure.run_until(at("10:35"))
    assert vm.power_state == "running"
    assert len(starts(azure)) <= 7
    assert outcomes(azure) == [Outcome.RESTORED]


def test_a_refusal_at_once_is_no_different_from_one_inside_the_operation(new_azure: NewAzure) -> None:
    """Azure says 409 SkuNotAvailable at once, one time: the next start is a minute later."""
    azure = new_azure()
    azure.add_vm()
    azure.world.refuse_next_start("render-1", "SkuNotAvailable", "not available")
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    first, second = starts(azure)
    assert first == "10:00:16"
    assert "10:01:16" <= second <= "10:01:30"
    assert outcomes(azure) == [Outcome.RESTORED]


def test_a_vm_that_no_event_told_of_is_found_by_the_sweep(new_azure: NewAzure) -> None:
    """All events are lost; the sweep of 10:15 finds it, and a second later it is confirmed: queries are paced."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.script.lost = lambda _: True
    azure.world.evict("render-1")
    azure.run_until(at("10:20"))
    assert vm.power_state == "running"
    assert starts(azure) == ["10:15:00"]


def test_an_eviction_told_many_times_is_one_start(new_azure: NewAzure) -> None:
    """The same events again, and again later, while it starts and after it runs."""
    azure = new_azure()
    azure.add_vm()
    azure.world.evict("render-1")
    for after in (0, 1, 16, 17, 40, 90):
        azure.put(preempted("render-1"), timedelta(seconds=after))
    azure.run_until(at("10:20"))
    assert len(starts(azure)) == 1
    assert outcomes(azure) == [Outcome.RESTORED]


@pytest.mark.parametrize(
    "fields", [{"tags": {}}, {"tags": {"AttemptRestartAfterEviction": "yes"}}, {"priority": "Regular"}]
)
def test_what_is_not_covered_is_never_started(fields: dict[str, Any], new_azure: NewAzure) -> None:
    """No tag, a tag that is not true, no Spot VM: whatever is told, nothing is started and nothing is written."""
    azure = new_azure()
    azure.add_vm(**fields, power_state="deallocated")
    azure.put(preempted("render-1"))
    azure.run_until(at("11:00"))
    assert starts(azure) == []
    assert azure.storage.recoveries.rows == {}


def test_a_vm_that_its_owner_stopped_stays_down(new_azure: NewAzure) -> None:
    """Stopped by its owner: its events come, the sweeps come, for a day; nothing is started."""
    azure = new_azure()
    azure.add_vm()
    azure.world.stop_by_owner("render-1")
    azure.run_until(TEN + timedelta(days=1))
    assert starts(azure) == []


def test_an_owners_stop_is_remembered_when_only_the_start_of_it_was_told(new_azure: NewAzure) -> None:
    """The annotation comes while it still runs; what follows is lost, and so is the graph's annotation."""
    azure = new_azure()
    azure.add_vm()
    azure.script.lost = lambda happening: not isinstance(happening, Annotated)
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:00:05"))
    assert azure.recovery().evidence.owner_stopped_at is not None


def test_an_owner_who_gives_up_waiting_is_obeyed(new_azure: NewAzure) -> None:
    """Evicted without capacity; at 10:30 its owner deallocates it for good; capacity comes back at 11:00."""
    azure = new_azure()
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:29:50"))
    asked = len(starts(azure))
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("11:00"))
    azure.world.set_capacity(azure.pool_key(), None)
    azure.run_until(at("14:00"))
    assert len(starts(azure)) <= asked + 1
    assert azure.world.machine("render-1").power_state == "deallocated"
    assert outcomes(azure) == [Outcome.STOPPED_BY_OWNER]


def test_its_owners_start_clears_the_wish(new_azure: NewAzure) -> None:
    """Stopped, started again by its owner, then evicted: it comes back."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:30"))
    azure.world.start(vm, caller="owner@example.com")
    azure.run_until(at("11:00"))
    azure.world.evict("render-1")
    azure.run_until(at("11:05"))
    assert vm.power_state == "running"
    assert outcomes(azure) == [Outcome.RESTORED]


def test_a_graph_that_lags_behind_misleads_nobody(new_azure: NewAzure) -> None:
    """Resource Graph shows it running for five minutes more; ARM is asked, and it comes back all the same."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.script.lag = timedelta(minutes=5)
    azure.world.evict("render-1")
    azure.run_until(at("10:02"))
    assert vm.power_state == "running"


def test_a_tag_taken_off_while_we_wait_ends_it(new_azure: NewAzure) -> None:
    """No capacity; its owner takes the tag off; nothing is started any more."""
    azure = new_azure()
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:03"))
    azure.world.retag("render-1", {})
    asked = len(starts(azure))
    azure.run_until(at("12:00"))
    assert len(starts(azure)) == asked
    assert outcomes(azure) == [Outcome.OPTED_OUT]


def test_a_price_above_the_max_price_is_waited_for(new_azure: NewAzure) -> None:
    """Evicted at 10:00 as the price rose to 0.09; it falls at 11:30; the start of 12:00 or so succeeds."""
    azure = new_azure()
    vm = azure.add_vm(max_price=0.05)
    azure.world.set_price(vm.size, vm.location, 0.09)
    azure.world.evict("render-1")
    azure.run_until(at("11:30"))
    assert azure.recovery().reason.startswith("the VM's max price, 0.05 USD an hour, is below the current Spot price")
    azure.world.set_price(vm.size, vm.location, 0.04)
    azure.run_until(at("12:30"))
    assert vm.power_state == "running"
    assert len(starts(azure)) == 3


def test_what_else_is_told_meanwhile_does_not_cut_a_wait_short(new_azure: NewAzure) -> None:
    """The price is too high; the same eviction is told again and again: Azure is asked once."""
    azure = new_azure()
    vm = azure.add_vm(max_price=0.05)
    azure.world.set_price(vm.size, vm.location, 0.09)
    azure.world.evict("render-1")
    for after in (20, 40, 60, 600):
        azure.put(preempted("render-1"), timedelta(seconds=after))
    azure.run_until(at("10:50"))
    assert len(starts(azure)) == 1


def test_a_deleted_vm_is_let_go(new_azure: NewAzure) -> None:
    """No capacity, and then its owner deletes it."""
    azure = new_azure()
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:03"))
    azure.world.delete("render-1")
    azure.run_until(at("11:00"))
    assert outcomes(azure) == [Outcome.GONE]


def test_a_scale_set_that_restores_its_vms_is_left_alone(new_azure: NewAzure) -> None:
    """Two restorers would fight; the scale set's own was there first."""
    azure = new_azure()
    scale_set_id = azure.world.add_scale_set("farm", restore_policy=True)
    azure.add_vm(scale_set_id=scale_set_id)
    azure.world.evict("render-1")
    azure.run_until(at("11:00"))
    assert starts(azure) == []


def test_a_scale_set_that_only_arm_shows_is_waited_for(new_azure: NewAzure) -> None:
    """Resource Graph does not know the VM yet, so nothing says who restores it: it waits until something does."""
    azure = new_azure()
    scale_set_id = azure.world.add_scale_set("farm", restore_policy=False)
    azure.add_vm(scale_set_id=scale_set_id)
    azure.script.graph_is_blind = True
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    assert starts(azure) == []
    azure.script.graph_is_blind = False
    azure.run_until(at("10:10"))
    assert len(starts(azure)) == 1


def test_a_vm_whose_power_state_is_not_told_is_looked_at_ever_more_seldom(new_azure: NewAzure) -> None:
    """Azure leaves the power state out for a day: no start, and some dozens of looks, not thousands."""
    azure = new_azure()
    azure.add_vm(power_state="deallocated")
    azure.script.tells_power_state = False
    azure.put(preempted("render-1"))
    azure.run_until(TEN + timedelta(days=1))
    assert starts(azure) == []
    assert azure.recovery().sequence < 100


def test_a_hundred_vms_in_an_outage_cost_a_handful_of_starts_and_all_come_back(new_azure: NewAzure) -> None:
    """A pool of 100 loses its capacity for an hour; one VM probes for all, and then the rest follow."""
    azure = new_azure()
    names = [f"render-{number}" for number in range(100)]
    for name in names:
        azure.add_vm(name)
    azure.world.set_capacity(azure.pool_key(), 0)
    for name in names:
        azure.world.evict(name)
    azure.run_until(at("10:02"))
    at_once = sum(len(starts(azure, name)) for name in names)
    azure.run_until(at("11:00"))
    during = sum(len(starts(azure, name)) for name in names) - at_once
    azure.world.set_capacity(azure.pool_key(), None)
    azure.run_until(at("11:35"))
    assert during <= 8
    assert {azure.world.machine(name).power_state for name in names} == {"running"}
    assert outcomes(azure) == [Outcome.RESTORED] * 100


def test_a_vm_that_is_evicted_into_a_closed_pool_waits_there_and_costs_no_look(new_azure: NewAzure) -> None:
    """The pool refused at 10:00:38; two more go at 10:01, one of them untagged: ARM is not asked about either."""
    azure = new_azure()
    azure.add_vm("first")
    vm, other = azure.add_vm("second"), azure.add_vm("untagged", tags={})
    azure.world.set_capacity(azure.pool_key("first"), 0)
    azure.world.evict("first")
    azure.run_until(at("10:01"))
    looks: Counter[str] = Counter()
    for each in (vm, other):
        about = each.vm_id
        azure.script.next(RequestKind.VM_READ, about=about, times=1000, meanwhile=partial(looks.update, [each.name]))
        azure.world.evict(each.name)
    azure.run_until(at("10:01:05"))
    assert not looks
    assert azure.recovery("second").reason.startswith("no capacity just now: standard_d2s_v5 in westeurope refused")
    azure.world.set_capacity(azure.pool_key("first"), None)
    azure.run_until(at("10:10"))
    assert vm.power_state == "running"
    assert looks == {"second": 2}


def test_a_vm_that_its_scale_set_restores_is_not_waited_for_in_a_closed_pool(new_azure: NewAzure) -> None:
    """Tagged, and evicted where another was just refused: ARM is not asked about it, and no recovery is opened."""
    azure = new_azure()
    azure.add_vm("first")
    vm = azure.add_vm("of-the-farm", scale_set_id=azure.world.add_scale_set("farm", restore_policy=True))
    azure.world.set_capacity(azure.pool_key("first"), 0)
    azure.world.evict("first")
    azure.run_until(at("10:01"))
    looks: list[str] = []
    azure.script.next(
        RequestKind.VM_READ, about=vm.vm_id, times=1000, meanwhile=lambda: looks.append(f"{azure.now:%H:%M}")
    )
    azure.world.evict("of-the-farm")
    azure.run_until(at("11:00"))
    assert (starts(azure, "of-the-farm"), looks) == ([], [])
    assert len(azure.storage.recoveries.rows) == 1


def test_news_of_what_we_saw_ourselves_costs_no_look(new_azure: NewAzure) -> None:
    """That it runs is told a minute after the look that closed its recovery; a later start by others is news."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.script.lost = lambda happening: isinstance(happening, AvailabilityChanged)
    azure.world.evict("render-1")
    azure.run_until(at("10:02"))
    assert outcomes(azure) == [Outcome.RESTORED]
    closed_at = azure.recovery().closed_at or azure.now
    looks: list[str] = []
    azure.script.next(RequestKind.VM_READ, times=1000, meanwhile=lambda: looks.append(f"{azure.now:%H:%M}"))
    for occurred_at in (closed_at, closed_at + MOMENT):
        azure.tell(AvailabilityChanged(vm.vm_id, occurred_at, "Unavailable", "Available"))
        azure.run_until(azure.now + timedelta(minutes=1))
    assert looks == ["10:03"]


def test_a_vm_evicted_again_and_again_meets_the_brake(new_azure: NewAzure) -> None:
    """It is evicted as soon as it runs, all day: at most ten restarts."""
    azure = new_azure()
    vm = azure.add_vm()
    for minute in range(0, 24 * 60, 5):
        azure.run_until(TEN + minute * MINUTE)
        if vm.power_state == "running":
            azure.world.evict("render-1")
    assert 4 <= len(starts(azure)) <= 10


def test_restart_when_evicted_demands_evidence(new_azure: NewAzure) -> None:
    """RESTART_WHEN=evicted, all events lost and no annotation: it stays down. With the default it comes back."""
    for restart_when, expected in ((RestartWhen.EVICTED, []), (RestartWhen.UNLESS_STOPPED, ["10:16:00"])):
        azure = new_azure(Policy(restart_when=restart_when))
        azure.add_vm(power_state="deallocated")
        azure.run_until(at("10:40"))
        assert starts(azure) == expected


def test_dry_run_decides_and_logs_and_does_nothing(caplog: pytest.LogCaptureFixture, new_azure: NewAzure) -> None:
    """DRY_RUN=true: the log says what would be done; nothing is started, written or put on the queue."""
    caplog.set_level(logging.INFO)
    azure = new_azure(dry_run=True)
    azure.add_vm()
    azure.script.lost = lambda happening: not isinstance(happening, AvailabilityChanged)
    azure.world.evict("render-1")
    azure.run_until(at("10:10"))
    azure.put(preempted("render-1"))
    azure.run_until(at("10:14"))
    assert starts(azure) == []
    assert azure.storage.recoveries.rows == azure.storage.pools.rows == {}
    assert azure.messages == []
    assert any('"decision": "start"' in line and '"dry_run": true' in line for line in caplog.messages)
