"""What a forged message can do at most: whoever may write to the queue, or may make Azure emit an event.

Every start rests on what ARM says at that moment, so a message can at most make us look, or speak for an owner.
"""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from localazure.event_grid.azure_events import PRIVATE_VALUES, DeliverySchema, azure_event
from localazure.virtual.app import Deployment
from localazure.virtual.azure import VirtualAzure
from localazure.virtual.wire import SMOOTH, Fate, NoFaults, RequestKind
from localazure.world.azure_errors import Refused
from localazure.world.happenings import ActionSucceeded, Annotated
from localazure.world.world import OWNER
from soak.responder.story import TAG
from spot_responder.clients.rows.table_rows import recovery_key
from spot_responder.decisions.pauses import REQUEUE_MAX
from spot_responder.decisions.policy import Policy
from spot_responder.intake.own_messages import (
    Requeues,
    follow_up_event,
    operator_asked_event,
    requeued,
    sweep_found_event,
)
from spot_responder.intake.vms import VmId
from tests.harness.makers import TEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from localazure.world.happenings import Happening
    from localazure.world.machines import Machine

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@contextmanager
def azure(fault_plan: NoFaults | None = None) -> Iterator[VirtualAzure]:
    """Give an Azure with the app in it, from ten o'clock on."""
    with VirtualAzure(TEN, Deployment(Policy()), fault_plan=fault_plan) as made:
        yield made


def send(to: VirtualAzure, event: Mapping[str, object]) -> None:
    """Put a message on the queue, and let it be answered."""
    to.app.put(json.dumps(event), timedelta())
    to.run_for(timedelta(seconds=10))


def tell(to: VirtualAzure, happening: Happening) -> None:
    """Put an event on the queue that tells of what did not happen."""
    send(to, azure_event(happening, "forged", happening.occurred_at).written(DeliverySchema.CLOUD_EVENTS))


def eviction(machine: Machine, at: datetime) -> Annotated:
    """Make the happening of an eviction."""
    return Annotated(machine.vm_id, at, "VirtualMachinePreempted")


def stop(machine: Machine, at: datetime) -> ActionSucceeded:
    """Make the happening of an owner's stop."""
    return ActionSucceeded(machine.vm_id, at, "Microsoft.Compute/virtualMachines/deallocate/action", OWNER)


def outcomes(of: VirtualAzure) -> list[str]:
    """Give the outcomes in the history."""
    return [row["outcome"] for row, _ in of.app.storage.history.rows.values()]


@pytest.mark.parametrize(
    "fields",
    [
        {"tags": TAG},
        {"power_state": "deallocated"},
        {"tags": {"AttemptRestartAfterEviction": "no"}, "power_state": "deallocated"},
        {"tags": TAG, "power_state": "deallocated", "priority": "Regular"},
        {"tags": TAG, "power_state": "stopped"},
        {"tags": TAG, "power_state": "deallocated", "scale_set_id": "a set that restores"},
    ],
    ids=["running", "untagged", "tagged with no", "regular", "shut down inside", "restored by its scale set"],
)
def test_a_forged_eviction_starts_no_vm_that_is_not_to_be_started(fields: dict[str, Any]) -> None:
    """Whatever is told, in whatever words, by day or by the hour: ARM says what it is, and it is let alone."""
    with azure() as made:
        if "scale_set_id" in fields:
            fields = {**fields, "scale_set_id": made.world.add_scale_set("set-1", restore_policy=True)}
        machine = made.world.add_vm("vm-1", **fields)
        vm_id = VmId.parse(machine.vm_id)
        for round_ in range(3):
            now = made.clock.now()
            tell(made, eviction(machine, now - round_ * MINUTE))
            tell(made, ActionSucceeded(machine.vm_id, now, "Microsoft.Compute/virtualMachines/evictSpotVM/action", ""))
            send(made, sweep_found_event(vm_id, now, "forged"))
            send(made, operator_asked_event(vm_id, now, "forged"))
            send(made, follow_up_event(vm_id, 10**30, now, "forged"))
        made.run_for(2 * HOUR)
        assert machine.start_calls == []
        assert made.app.messages == []


@pytest.mark.parametrize("kind", ["an eviction", "an owner's start"])
def test_a_forged_word_after_an_owners_stop_can_start_that_one_vm_once(kind: str) -> None:
    """Its tag asks for restarts, and the newest word on it is the forged one: at most that VM is started."""
    with azure() as made:
        machine, other = made.world.add_vm("vm-1", tags=TAG), made.world.add_vm("vm-2", tags=TAG)
        for one in (machine, other):
            made.world.stop_by_owner(one.name)
        made.run_for(30 * MINUTE)
        assert machine.start_calls == []
        now = made.clock.now()
        start = ActionSucceeded(machine.vm_id, now, "Microsoft.Compute/virtualMachines/start/action", OWNER)
        tell(made, eviction(machine, now) if kind == "an eviction" else start)
        made.run_for(HOUR)
        assert len(machine.start_calls) == 1
        assert other.start_calls == []


def test_a_forged_eviction_of_before_an_owners_stop_changes_nothing() -> None:
    """The stop is the newer word."""
    with azure() as made:
        machine = made.world.add_vm("vm-1", tags=TAG)
        made.run_for(MINUTE)
        made.world.stop_by_owner(machine.name)
        made.run_for(30 * MINUTE)
        tell(made, eviction(machine, TEN))
        made.run_for(HOUR)
        assert machine.start_calls == []


def test_a_forged_owners_stop_keeps_one_evicted_vm_down() -> None:
    """It stays down, and it is told why; its neighbour comes back, and so does it after its next eviction."""
    with azure() as made:
        machine, other = made.world.add_vm("vm-1", tags=TAG), made.world.add_vm("vm-2", tags=TAG)
        for one in (machine, other):
            made.world.evict(one.name)
        made.run_for(timedelta(seconds=3))
        tell(made, stop(machine, made.clock.now()))
        made.run_for(2 * HOUR)
        assert machine.start_calls == []
        assert other.running_at
        assert sorted(outcomes(made)) == ["restored", "stopped-by-owner"]
        made.world.start(machine, OWNER)
        made.run_for(HOUR)
        made.world.evict(machine.name)
        made.run_for(HOUR)
        assert machine.running_at


@pytest.mark.parametrize("ahead", [timedelta(), timedelta(days=3000)])
def test_a_forged_stop_of_a_vm_that_runs_is_over_with_its_next_eviction(ahead: timedelta) -> None:
    """Also one that is dated years ahead: it counts as of the moment it comes."""
    with azure() as made:
        machine = made.world.add_vm("vm-1", tags=TAG)
        tell(made, stop(machine, made.clock.now() + ahead))
        made.run_for(MINUTE)
        made.world.evict(machine.name)
        made.run_for(10 * MINUTE)
        assert machine.running_at
        assert len(machine.start_calls) == 1


def test_a_forged_stop_dated_some_minutes_ahead_outweighs_an_eviction_within_them() -> None:
    """Clocks differ, so a time up to a quarter of an hour from now is believed: the VM stays down."""
    with azure() as made:
        machine = made.world.add_vm("vm-1", tags=TAG)
        tell(made, stop(machine, made.clock.now() + 14 * MINUTE))
        made.run_for(MINUTE)
        made.world.evict(machine.name)
        made.run_for(HOUR)
        assert machine.start_calls == []


@pytest.mark.parametrize("sequence", [0, 1, 10**30], ids=["first", "next", "far ahead"])
def test_forged_follow_ups_cause_looks_and_no_start_before_its_time(sequence: int) -> None:
    """While its price is too high: one start request, as without them, and nothing of them is left."""

    def starts(forged: int) -> int:
        with azure() as made:
            machine = made.world.add_vm("vm-1", tags=TAG, max_price=0.05)
            made.world.set_price(machine.size, machine.location, 0.09)
            made.world.evict(machine.name)
            for _ in range(20):
                for number in range(forged):
                    event = follow_up_event(VmId.parse(machine.vm_id), sequence, made.clock.now(), f"forged-{number}")
                    made.app.put(json.dumps(event), timedelta())
                made.run_for(MINUTE)
            asked = len(machine.start_calls)
            # Each that counted put one of ours in its place; those come due, and all but one are stale.
            made.run_for(2 * HOUR + 10 * MINUTE)
            assert len(made.app.messages) <= 1
            return asked

    assert starts(forged=5) == starts(forged=0) == 1


def test_many_forged_follow_ups_at_once_do_not_multiply() -> None:
    """A hundred of a number that no row will ever reach: each is read once, and puts nothing on the queue."""
    with azure() as made:
        machine = made.world.add_vm("vm-1", tags=TAG)
        made.world.set_capacity(machine.pool, 0)
        made.world.evict(machine.name)
        made.run_for(5 * MINUTE)
        before = made.app.handled
        for number in range(100):
            event = follow_up_event(VmId.parse(machine.vm_id), 10_000, made.clock.now(), f"forged-{number}")
            made.app.put(json.dumps(event), timedelta())
        made.run_for(20 * MINUTE)
        assert made.app.handled - before < 120


def test_a_forged_operators_word_can_ask_for_a_try_and_no_more_than_the_budget() -> None:
    """A hundred within an hour, while there is no capacity: twelve start requests, all for the one VM."""
    with azure() as made:
        machine, other = made.world.add_vm("vm-1", tags=TAG), made.world.add_vm("vm-2", tags=TAG)
        made.world.set_capacity(machine.pool, 0)
        made.world.evict(machine.name)
        made.world.stop_by_owner(other.name)
        for number in range(100):
            for one in (machine, other):
                send(made, operator_asked_event(VmId.parse(one.vm_id), made.clock.now(), f"forged-{number}"))
            made.run_for(timedelta(seconds=15))
        begin = machine.start_calls[0].at
        assert len([call for call in machine.start_calls if call.at - begin < HOUR]) <= Policy().starts_per_hour
        assert other.start_calls == []


class NoAnswer(NoFaults):
    """Resource Graph is out of order for an hour."""

    def __init__(self) -> None:
        """Begin."""
        self.left = 200

    def of(self, request_kind: RequestKind, _target: str) -> Fate:
        """Refuse."""
        if request_kind is RequestKind.GRAPH and self.left:
            self.left -= 1
            return Fate(refusal=Refused(500, "InternalServerError", "Encountered internal server error."))
        return SMOOTH


@pytest.mark.parametrize(
    "times",
    [-1, 10**6, 10**4300 - 1, True, None, "7", []],
    ids=["less than never", "often", "the largest", "true", "null", "text", "a list"],
)
def test_a_forged_count_of_how_often_it_was_requeued_only_moves_the_next_look(times: object) -> None:
    """It comes back within half an hour at most, again and again, and the VM comes back in the end."""
    fault_plan = NoAnswer()
    with azure(fault_plan) as made:
        fault_plan.left = 1
        machine = made.world.add_vm("vm-1", tags=TAG, power_state="deallocated")
        event = azure_event(eviction(machine, TEN), "forged", TEN).written(DeliverySchema.CLOUD_EVENTS)
        made.app.failed = lambda _, error: pytest.fail(repr(error))
        made.app.put(json.dumps(requeued(event, Requeues()) | {"requeued": times, "waited": times}), timedelta())
        made.run_for(timedelta(seconds=5))
        (message,) = made.app.messages
        assert message.visible_at - made.clock.now() <= 2 * REQUEUE_MAX
        made.run_for(2 * REQUEUE_MAX + 2 * MINUTE)
        assert machine.running_at


def test_a_giant_event_that_cannot_be_requeued_ends_in_poison() -> None:
    """Pushed with 60 KB, and Azure does not answer: the queue would not take it, so it is set aside with the reason."""
    with azure(NoAnswer()) as made:
        machine = made.world.add_vm("vm-1", tags=TAG)
        event = azure_event(eviction(machine, TEN), "giant", TEN).written(DeliverySchema.CLOUD_EVENTS)
        send(made, event | {"padding": "x" * 60_000})
        made.run_for(10 * MINUTE)
        ((_, error),) = made.app.storage.poison
        assert "cannot be requeued" in str(error)


@pytest.mark.parametrize(
    "request_kind",
    [
        None,
        RequestKind.GRAPH,
        RequestKind.VM_READ,
        RequestKind.VM_START,
        RequestKind.OPERATION_READ,
        RequestKind.ROW_WRITE,
    ],
)
def test_no_log_line_carries_what_is_private(
    request_kind: RequestKind | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Claims, callers' addresses, tokens, operations' addresses: in whole recoveries, and in refused requests."""

    class Shut(NoFaults):
        def of(self, through: RequestKind, _target: str) -> Fate:
            if through is request_kind and made.clock.now() < TEN + 5 * MINUTE:
                return Fate(refusal=Refused(403, "AuthorizationFailed", "No authorization."))
            return SMOOTH

    caplog.set_level(logging.DEBUG)
    with azure(Shut()) as made:
        machine = made.world.add_vm("vm-1", tags=TAG)
        made.world.fail_next_start(machine.name, "AllocationFailed", "Allocation failed.")
        made.world.evict(machine.name)
        made.run_for(HOUR)
        made.world.stop_by_owner(machine.name)
        made.run_for(HOUR)
        event = azure_event(stop(machine, TEN), "event", TEN).written(DeliverySchema.CLOUD_EVENTS)
        for spoiled in _spoiled(event):
            send(made, spoiled)
        made.run_for(2 * HOUR)
    said = [record.getMessage() for record in caplog.records if record.name.startswith("spot_responder")]
    text = "\n".join(said)
    assert len(said) > 10
    assert [value for value in (*PRIVATE_VALUES, OWNER) if value in text] == []
    assert "/operations/" not in text
    assert "signature" not in text


def _spoiled(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Spoil the event in each place once: without it, and with what does not belong there."""
    for holder in (event, event["data"]):
        for key in list(holder):
            kept = holder[key]
            for value in (None, 7, [kept], event["data"]["claims"]):
                holder[key] = value
                yield event
            del holder[key]
            yield event
            holder[key] = kept


def test_a_row_that_another_release_wrote_starts_nothing_and_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """What it remembers of its owner's wish is not guessed at: five tries, then poison, and which row it is."""
    with azure() as made:
        machine = made.world.add_vm("vm-1", tags=TAG)
        partition, row = recovery_key(VmId.parse(machine.vm_id))
        made.app.storage.recoveries.write({"PartitionKey": partition, "RowKey": row, "vm_id": machine.vm_id})
        made.world.evict(machine.name)
        made.run_for(HOUR)
        assert machine.start_calls == []
        assert made.app.storage.poison
    assert any('"event": "odd row"' in line and row in line for line in caplog.messages)
