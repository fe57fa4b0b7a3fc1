"""An operator holds a VM, releases it, asks for a try: the real responder, a world with a virtual clock."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from localazure.virtual.wire import RequestKind
from localazure.world.happenings import Annotated
from spot_responder.clients.rows.table_rows import recovery_row
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import Policy
from spot_responder.decisions.recoveries import Recovery
from spot_responder.intake.signals import SignalKind
from spot_responder.intake.vms import VmId
from spot_responder.operators.act import hold, release, retry
from spot_responder.responder.ports import ChangedMeanwhileError
from tests.harness.makers import at
from tests.harness.stories import outcomes, starts

if TYPE_CHECKING:
    from tests.harness.stories import NewAzure, StoryAzure


def vm_id(azure: StoryAzure, name: str = "render-1") -> VmId:
    """Give the id of a VM of the world."""
    return VmId.parse(azure.world.machine(name).vm_id)


def hold_now(azure: StoryAzure) -> None:
    """Hold the VM."""
    azure.do(hold(azure.ports().store, vm_id(azure), azure.now, lambda: "held-1"))


def release_now(azure: StoryAzure) -> None:
    """Release it."""
    ports = azure.ports()
    azure.do(release(ports.store, ports.queue, vm_id(azure), azure.now, lambda: "release-1"))


def retry_now(azure: StoryAzure) -> None:
    """Ask for a try."""
    azure.do(retry(azure.ports().queue, vm_id(azure), azure.now, lambda: "retry-1"))


def test_a_vm_that_is_held_before_its_eviction_stays_down_until_it_is_released(new_azure: NewAzure) -> None:
    """Held at 10:00, evicted at 10:01, released at 13:00: not one start before that, and it runs a minute later."""
    azure = new_azure()
    vm = azure.add_vm()
    hold_now(azure)
    azure.run_until(at("10:01"))
    azure.world.evict("render-1")
    azure.run_until(at("13:00"))
    assert starts(azure) == []
    assert azure.recovery().reason == "an operator holds it since 2026-03-02 10:00:00Z: not started"
    release_now(azure)
    azure.run_until(at("13:02"))
    # The sweep of 13:00 reads the graph too, and this request comes after it.
    assert starts(azure) == ["13:00:01"]
    assert vm.power_state == "running"
    assert outcomes(azure) == [Outcome.RESTORED]
    assert azure.recovery().held_at is None


def test_the_sweep_does_not_start_a_held_vm(new_azure: NewAzure) -> None:
    """The event is lost; the sweep finds it at 10:15, and lets it be."""
    azure = new_azure()
    azure.add_vm()
    azure.script.lost = lambda _: True
    hold_now(azure)
    azure.world.evict("render-1")
    azure.run_until(at("12:00"))
    assert starts(azure) == []
    assert azure.recovery().held_at == at("10:00")


def test_the_follow_up_of_a_waiting_recovery_does_not_start_a_held_vm(new_azure: NewAzure) -> None:
    """Evicted, refused for want of capacity, then held: the follow-up falls due and nothing is asked."""
    azure = new_azure()
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:00:50"))
    asked = starts(azure)
    hold_now(azure)
    azure.world.set_capacity(azure.pool_key(), None)
    azure.run_until(at("12:00"))
    assert starts(azure) == asked


def test_a_start_that_is_being_decided_looks_again_when_the_hold_comes_in_between(new_azure: NewAzure) -> None:
    """The hold is saved between the app's look and its start: the start is not sent."""
    azure = new_azure()
    azure.add_vm()

    def hold_first() -> None:
        # The app's loop runs: the row is changed as another process would.
        azure.storage.recoveries.write({**azure.row()[0], "held_at": azure.now.isoformat()})

    azure.world.evict("render-1")
    azure.run_until(at("10:00:10"))
    azure.script.next(RequestKind.QUEUE_PUT, meanwhile=hold_first)
    azure.run_until(at("10:30"))
    assert starts(azure) == []
    assert azure.recovery().held_at is not None


def test_a_held_vm_that_somebody_starts_is_closed_and_stays_held(new_azure: NewAzure) -> None:
    """Its owner may start it: the recovery ends, and the hold goes on for the next eviction."""
    azure = new_azure()
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:00:10"))
    hold_now(azure)
    azure.run_until(at("10:10"))
    azure.world.start(azure.world.machine("render-1"), "owner")
    azure.run_until(at("12:00"))
    assert outcomes(azure) == [Outcome.RUNS_WITHOUT_US]
    azure.world.evict("render-1")
    azure.run_until(at("14:00"))
    assert len(starts(azure)) == 1  # the owner's
    assert azure.recovery().is_open


def test_a_hold_outlives_the_day_after_which_closed_rows_are_forgotten(new_azure: NewAzure) -> None:
    """Nothing happens for two days; the hold is still there."""
    azure = new_azure()
    azure.add_vm()
    hold_now(azure)
    azure.run_until(at("10:00") + timedelta(days=2))
    assert azure.recovery().held_at == at("10:00")
    assert azure.history == []


def test_holding_twice_keeps_the_first_time_and_releasing_what_is_not_held_does_nothing(new_azure: NewAzure) -> None:
    """Nobody is confused by a second press."""
    azure = new_azure()
    azure.add_vm()
    release_now(azure)
    assert azure.messages == []
    hold_now(azure)
    azure.run_until(at("10:05"))
    hold_now(azure)
    assert azure.recovery().held_at == at("10:00")


def test_a_hold_gives_up_when_the_row_changes_all_the_time(new_azure: NewAzure) -> None:
    """Five tries, then it says so; nothing is half done."""
    azure = new_azure()
    azure.add_vm()
    row = recovery_row(Recovery(vm_id(azure), "id-of-another", azure.now, SignalKind.EVICTED))
    azure.script.next(RequestKind.ROW_WRITE, times=5, meanwhile=lambda: azure.storage.recoveries.write(row))
    with pytest.raises(ChangedMeanwhileError, match="changed 5 times while we looked at it: try again"):
        hold_now(azure)


def test_a_retry_does_not_wait_for_the_pause_after_no_capacity(new_azure: NewAzure) -> None:
    """Refused again and again until 11:00, the next try minutes away: asked now, it is tried now and comes back."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("11:00"))
    wake_at = azure.recovery().wake_at
    assert wake_at is not None
    assert wake_at > at("11:02")
    azure.world.set_capacity(azure.pool_key(), None)
    retry_now(azure)
    azure.run_until(at("11:01"))
    assert starts(azure)[-1] == "11:00:01"
    assert vm.power_state == "running"


def test_a_retry_probes_with_one_vm_only(new_azure: NewAzure) -> None:
    """Three wait for one pool; a retry of one sends one start request."""
    azure = new_azure()
    for name in ("render-1", "render-2", "render-3"):
        azure.add_vm(name)
        azure.world.evict(name)
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.run_until(at("11:00"))
    before = len([call for call in azure.world.calls if call.at >= at("11:00")])
    retry_now(azure)
    azure.run_until(at("11:00:10"))
    asked = sum(len([each for each in starts(azure, name) if each >= "11:00:00"]) for name in ("render-1", "render-2"))
    assert (before, asked) == (0, 1)


def test_a_retry_does_not_outrank_owner_hold_or_brake(new_azure: NewAzure) -> None:
    """It spares waiting, and nothing else."""
    azure = new_azure(Policy(restarts_per_day=1))
    azure.add_vm()
    azure.add_vm("stopped-1")
    azure.world.stop_by_owner("stopped-1")
    azure.world.evict("render-1")
    azure.run_until(at("10:10"))
    azure.world.evict("render-1")
    azure.run_until(at("11:00"))
    assert azure.recovery().reason.startswith("the brake")
    count = len(starts(azure))
    retry_now(azure)
    azure.do(retry(azure.ports().queue, vm_id(azure, "stopped-1"), azure.now, lambda: "retry-2"))
    azure.run_until(at("11:10"))
    assert len(starts(azure)) == count
    assert starts(azure, "stopped-1") == []


def test_every_path_obeys_a_hold_whatever_happens(new_azure: NewAzure) -> None:
    """An annotation told again and again, sweeps, follow-ups: a held VM is asked for by nobody."""
    azure = new_azure(sweep_every=timedelta(minutes=1))
    azure.add_vm()
    hold_now(azure)
    azure.world.evict("render-1")
    for minute in range(1, 30):
        azure.run_until(at("10:00") + timedelta(minutes=minute))
        azure.world.tell(Annotated(str(vm_id(azure)), azure.world.now, "VirtualMachinePreempted"))
        retry_now(azure)
    azure.run_until(at("11:00"))
    assert starts(azure) == []
