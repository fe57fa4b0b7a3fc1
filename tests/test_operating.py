"""An operator holds a VM, releases it, asks for a try: the real responder, a world with a virtual clock."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from localazure.happenings import Annotated
from spot_responder.doors import ChangedMeanwhileError
from spot_responder.operating import hold, release, retry
from spot_responder.policy import Policy
from spot_responder.recoveries import Outcome
from spot_responder.vms import VmId
from tests.makers import at
from tests.stories import outcomes, starts
from tests.virtual_azure import VirtualAzure, run

if TYPE_CHECKING:
    from spot_responder.recoveries import Recovery


def vm_id(azure: VirtualAzure, name: str = "render-1") -> VmId:
    """Give the id of a VM of the world."""
    return VmId.parse(azure.world.machine(name).vm_id)


def hold_now(azure: VirtualAzure) -> None:
    """Hold the VM."""
    run(hold(azure.tables, vm_id(azure), azure.world.now, lambda: "held-1"))


def release_now(azure: VirtualAzure) -> None:
    """Release it."""
    run(release(azure.tables, azure.queue, vm_id(azure), azure.world.now, lambda: "release-1"))


def retry_now(azure: VirtualAzure) -> None:
    """Ask for a try."""
    run(retry(azure.queue, vm_id(azure), azure.world.now, lambda: "retry-1"))


def test_a_vm_that_is_held_before_its_eviction_stays_down_until_it_is_released() -> None:
    """Held at 10:00, evicted at 10:01, released at 13:00: not one start before that, and it runs a minute later."""
    azure = VirtualAzure()
    vm = azure.add_vm()
    hold_now(azure)
    azure.run_until(at("10:01"))
    azure.world.evict("render-1")
    azure.run_until(at("13:00"))
    assert starts(azure) == []
    assert azure.recovery().reason == "an operator holds it since 2026-03-02 10:00:00Z: not started"
    release_now(azure)
    azure.run_until(at("13:02"))
    assert starts(azure) == ["13:00:00"]
    assert vm.power_state == "running"
    assert outcomes(azure) == [Outcome.RESTORED]
    assert azure.recovery().held_at is None


def test_the_sweep_does_not_start_a_held_vm() -> None:
    """The event is lost; the sweep finds it at 10:15, and lets it be."""
    azure = VirtualAzure()
    azure.add_vm()
    azure.lost = lambda _: True
    hold_now(azure)
    azure.world.evict("render-1")
    azure.run_until(at("12:00"))
    assert starts(azure) == []
    assert azure.recovery().held_at == at("10:00")


def test_the_follow_up_of_a_waiting_case_does_not_start_a_held_vm() -> None:
    """Evicted, refused for want of capacity, then held: the follow-up falls due and nothing is asked."""
    azure = VirtualAzure()
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:00:50"))
    asked = starts(azure)
    hold_now(azure)
    azure.world.set_capacity(azure.pool_key(), None)
    azure.run_until(at("12:00"))
    assert starts(azure) == asked


def test_a_start_that_is_being_decided_looks_again_when_the_hold_comes_in_between() -> None:
    """The hold is saved between the app's look and its start: the start is not sent."""
    azure = VirtualAzure()
    azure.add_vm()

    def hold_first(row: Recovery) -> None:
        if row.attempts and row.held_at is None:
            azure.tables.before_save = None
            # The loop of the responder runs: the row is changed as another process would.
            stored, etag = azure.tables.rows[key]
            azure.tables.rows[key] = (stored | {"held_at": azure.world.now.isoformat()}, f"{etag}-held")

    azure.world.evict("render-1")
    azure.run_until(at("10:00:10"))
    (key,) = azure.tables.rows
    azure.tables.before_save = hold_first
    azure.run_until(at("10:30"))
    assert starts(azure) == []
    assert azure.recovery().held_at is not None


def test_a_held_vm_that_somebody_starts_is_closed_and_stays_held() -> None:
    """Its owner may start it: the case ends, and the hold goes on for the next eviction."""
    azure = VirtualAzure()
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


def test_a_hold_outlives_the_day_after_which_closed_rows_are_forgotten() -> None:
    """Nothing happens for two days; the hold is still there."""
    azure = VirtualAzure()
    azure.add_vm()
    hold_now(azure)
    azure.run_until(at("10:00") + timedelta(days=2))
    assert azure.recovery().held_at == at("10:00")
    assert azure.tables.history == []


def test_holding_twice_keeps_the_first_time_and_releasing_what_is_not_held_does_nothing() -> None:
    """Nobody is confused by a second press."""
    azure = VirtualAzure()
    azure.add_vm()
    release_now(azure)
    assert azure.queue.messages == []
    hold_now(azure)
    azure.run_until(at("10:05"))
    hold_now(azure)
    assert azure.recovery().held_at == at("10:00")


def test_a_hold_gives_up_when_the_row_changes_all_the_time() -> None:
    """Five tries, then it says so; nothing is half done."""
    azure = VirtualAzure()
    azure.add_vm()

    def crowd(_: Recovery) -> None:
        raise ChangedMeanwhileError

    azure.tables.before_save = crowd
    with pytest.raises(ChangedMeanwhileError, match="changed 5 times while we looked at it: try again"):
        hold_now(azure)


def test_a_retry_does_not_wait_for_the_pause_after_no_capacity() -> None:
    """Refused again and again until 11:00, the next try minutes away: asked now, it is tried now and comes back."""
    azure = VirtualAzure()
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
    assert starts(azure)[-1] == "11:00:00"
    assert vm.power_state == "running"


def test_a_retry_probes_with_one_vm_only() -> None:
    """Three wait for one pool; a retry of one sends one start request."""
    azure = VirtualAzure()
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


def test_a_retry_does_not_outrank_owner_hold_or_brake() -> None:
    """It spares waiting, and nothing else."""
    azure = VirtualAzure(Policy(restarts_per_day=1))
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
    run(retry(azure.queue, vm_id(azure, "stopped-1"), azure.world.now, lambda: "retry-2"))
    azure.run_until(at("11:10"))
    assert len(starts(azure)) == count
    assert starts(azure, "stopped-1") == []


def test_every_path_obeys_a_hold_whatever_happens() -> None:
    """An annotation told again and again, sweeps, follow-ups: a held VM is asked for by nobody."""
    azure = VirtualAzure(sweep_every=timedelta(minutes=1))
    azure.add_vm()
    hold_now(azure)
    azure.world.evict("render-1")
    for minute in range(1, 30):
        azure.run_until(at("10:00") + timedelta(minutes=minute))
        azure.world.tell(Annotated(str(vm_id(azure)), azure.world.now, "VirtualMachinePreempted"))
        retry_now(azure)
    azure.run_until(at("11:00"))
    assert starts(azure) == []
