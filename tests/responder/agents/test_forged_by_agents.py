"""What a writer of the queue ``agents`` can do at most: less than one of ``signals``, with the same forgeries.

``test_forged.py`` has those. A message of this queue carries no sender; it makes the app look, and note.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from localazure.event_grid.azure_events import DeliverySchema, azure_event
from localazure.virtual.wire import RequestKind
from localazure.world.happenings import ActionSucceeded, Annotated
from localazure.world.world import OWNER
from soak.responder.story import TAG
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import Policy, RestartWhen
from spot_responder.intake.own_messages import follow_up_event, operator_asked_event, sweep_found_event
from spot_responder.intake.signals import Inbox
from spot_responder.intake.vms import VmId
from tests.harness.agents import maintenance, notice, ready
from tests.harness.makers import TEN, at
from tests.harness.stories import DENIED, refused, starts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from localazure.world.machines import Machine
    from tests.harness.stories import NewAzure, StoryAzure

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
OPERATION = "Microsoft.Compute/virtualMachines"


def send(azure: StoryAzure, message: Mapping[str, object]) -> None:
    """Put a forged message on the agents' queue, and let it be answered."""
    azure.app.put(json.dumps(message), timedelta(), inbox=Inbox.AGENTS)
    azure.run_until(azure.now + SECOND)


def words(vm_id: str, when: datetime, number: int) -> list[dict[str, Any]]:
    """Make one forged message of each kind, in time and late, of which no two have the same id."""
    made = [
        *(notice(vm_id, when, event_id=f"forged-{number}-{late}", late=late) for late in (True, False)),
        *(ready(vm_id, when, recovery_id=f"forged-{number}-{late}", late=late) for late in (True, False)),
        maintenance(vm_id, when),
    ]
    forged = {"requeued": 10**6, "requeuedsince": "2026-03-01T00:00:00Z", "unseensince": "2026-03-01T00:00:00Z"}
    return [*made, *(each | forged for each in made)]


def events_of_others(machine: Machine, when: datetime) -> list[dict[str, object]]:
    """Make what Azure, the app and an operator would say: evictions, stops, a start, a follow-up, a find, a retry."""
    vm_id = VmId.parse(machine.vm_id)
    happenings = (
        Annotated(machine.vm_id, when, "VirtualMachinePreempted"),
        Annotated(machine.vm_id, when, "VirtualMachineDeallocationInitiated"),
        ActionSucceeded(machine.vm_id, when, f"{OPERATION}/evictSpotVM/action", ""),
        ActionSucceeded(machine.vm_id, when, f"{OPERATION}/deallocate/action", OWNER),
        ActionSucceeded(machine.vm_id, when, f"{OPERATION}/start/action", OWNER),
    )
    return [
        *(azure_event(each, "forged", when).written(DeliverySchema.CLOUD_EVENTS) for each in happenings),
        follow_up_event(vm_id, 10**30, when, "forged"),
        sweep_found_event(vm_id, when, "forged"),
        operator_asked_event(vm_id, when, "forged"),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"tags": {}, "power_state": "deallocated"},
        {"tags": {"AttemptRestartAfterEviction": "no"}, "power_state": "deallocated"},
        {"priority": "Regular", "power_state": "deallocated"},
        {"power_state": "stopped"},
        {"power_state": "deallocated", "scale_set_id": "a set that restores"},
    ],
    ids=["running", "untagged", "tagged with no", "regular", "shut down inside", "restored by its scale set"],
)
@pytest.mark.parametrize("restart_when", RestartWhen)
def test_no_vm_is_started_that_is_not_to_be_started(
    restart_when: RestartWhen, fields: dict[str, Any], new_azure: NewAzure
) -> None:
    """Whatever is told of it, in whatever words, of now and of before; and after minutes all of it is over."""
    azure = new_azure(Policy(restart_when=restart_when))
    if "scale_set_id" in fields:
        fields = {**fields, "scale_set_id": azure.world.add_scale_set("set-1", restore_policy=True)}
    machine = azure.add_vm(**{"tags": TAG, **fields})
    for number in range(3):
        for message in (
            *words(machine.vm_id, azure.now - number * MINUTE, number),
            *events_of_others(machine, azure.now),
        ):
            send(azure, message)
    azure.run_until(azure.now + 2 * HOUR)
    assert starts(azure) == []
    assert azure.messages == []
    assert azure.storage.poison == []
    assert azure.storage.health.rows == {}


@pytest.mark.parametrize("restart_when", RestartWhen)
def test_an_owners_stop_is_never_outweighed(restart_when: RestartWhen, new_azure: NewAzure) -> None:
    """Through ``signals`` it could be, once; through ``agents`` never, nor forgotten."""
    azure = new_azure(Policy(restart_when=restart_when))
    machine = azure.add_vm()
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:30"))
    for number in range(4):
        for message in (
            *words(machine.vm_id, azure.now + (number - 2) * MINUTE, number),
            *events_of_others(machine, azure.now),
        ):
            send(azure, message)
    azure.run_until(at("13:00"))
    assert starts(azure) == []
    assert azure.recovery().evidence.stopped_firmly_at is not None
    assert azure.history == []


def test_an_evicted_vm_is_not_kept_down(new_azure: NewAzure) -> None:
    """Through ``signals`` an owner's stop can be forged; here none is taken, and its start comes as early as ever."""

    def started(*, forged: bool) -> list[str]:
        azure = new_azure()
        machine = azure.add_vm()
        azure.world.evict("render-1")
        for number in range(30 if forged else 0):
            for message in (*words(machine.vm_id, azure.now, number)[:5], *events_of_others(machine, azure.now)[1:5]):
                azure.app.put(json.dumps(message), number * SECOND, inbox=Inbox.AGENTS)
        azure.run_until(at("10:30"))
        assert [ended.outcome for ended in azure.history][:1] == [Outcome.RESTORED]
        return starts(azure)

    with_forgeries, without = started(forged=True), started(forged=False)
    assert len(with_forgeries) == len(without) == 1
    assert with_forgeries <= without


@pytest.mark.parametrize("loses_events", [True, False])
def test_no_start_is_delayed_or_added_while_there_is_no_capacity(new_azure: NewAzure, *, loses_events: bool) -> None:
    """A VM waits for its pool, or for its owner's stop to be told: forged notices move neither."""

    def started(*, forged: bool) -> list[str]:
        azure = new_azure()
        machine = azure.add_vm()
        azure.script.lost = lambda _: loses_events
        azure.world.eviction_annotations = ()
        azure.world.set_capacity(azure.pool_key(), 0)
        azure.world.evict("render-1")
        azure.run_until(at("10:15:01"))
        for number in range(400 if forged else 0):
            message = notice(machine.vm_id, azure.now + number * 5 * SECOND, event_id=f"forged-{number}")
            azure.app.put(json.dumps(message), number * 5 * SECOND, inbox=Inbox.AGENTS)
        azure.run_until(at("11:00"))
        return starts(azure)

    assert started(forged=True) == started(forged=False)


def test_with_restart_when_evicted_a_vm_that_is_down_for_no_known_reason_can_be_started_once(
    new_azure: NewAzure,
) -> None:
    """That is the most: its tag asks for it, and nobody told of a stop. Its neighbour is let alone."""
    azure = new_azure(Policy(restart_when=RestartWhen.EVICTED))
    machine = azure.add_vm(power_state="deallocated")
    azure.add_vm("render-2", power_state="deallocated")
    for number in range(5):
        send(azure, notice(machine.vm_id, azure.now, event_id=f"forged-{number}"))
    azure.run_until(at("11:00"))
    assert len(starts(azure)) == 1
    assert starts(azure)[0] >= "10:01:00"
    assert starts(azure, "render-2") == []


def test_many_notices_of_one_vm_cost_no_more_looks_than_one(new_azure: NewAzure) -> None:
    """A look every 15 seconds for five minutes; each further message costs one read of the VM's row."""

    def asked(notices: int) -> int:
        azure = new_azure()
        machine = azure.add_vm()
        for number in range(notices):
            message = notice(machine.vm_id, TEN, event_id=f"forged-{number}")
            azure.app.put(json.dumps(message), number * SECOND, inbox=Inbox.AGENTS)
        azure.run_until(at("10:20"))
        return len(azure.world.calls)

    assert asked(200) == asked(1) <= 60


def test_words_about_vms_that_do_not_exist_leave_nothing(new_azure: NewAzure) -> None:
    """No row, no message, no poison."""
    azure = new_azure()
    azure.add_vm()
    nobody = azure.world.machine("render-1").vm_id.replace("render-1", "nobody")
    for message in words(nobody, azure.now, 1):
        send(azure, message)
    azure.run_until(at("10:30"))
    assert azure.storage.recoveries.rows == {}
    assert azure.messages == []
    assert azure.storage.poison == []


def test_while_the_app_may_not_look_nothing_is_blamed_on_it(
    new_azure: NewAzure, caplog: pytest.LogCaptureFixture
) -> None:
    """Forged attributes say that it has lasted for days: no alarm, no recovery that is blocked, nothing in health."""
    azure = new_azure(sweep_every=timedelta(days=1))
    machine = azure.add_vm()
    azure.script.next(RequestKind.GRAPH, refused(DENIED), times=10**6)
    for message in words(machine.vm_id, azure.now, 1):
        send(azure, message)
    azure.run_until(at("12:00"))
    assert azure.storage.recoveries.rows == {}
    assert azure.storage.health.rows == {}
    assert azure.messages == []
    assert not any('"event": "denied"' in line or '"lasting failure"' in line for line in caplog.messages)


def test_no_event_and_a_giant_one_end_in_the_agents_own_poison(
    new_azure: NewAzure, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says which queue it is."""
    azure = new_azure()
    send(azure, {"rubbish": True})
    azure.run_until(at("10:10"))
    ((message, _),) = azure.storage.poison
    assert message.inbox is Inbox.AGENTS
    (line,) = (json.loads(line) for line in caplog.messages if '"unreadable"' in line)
    assert "agents-poison" in line["what_to_do"]


def test_no_log_line_carries_more_than_names_and_ids(new_azure: NewAzure, caplog: pytest.LogCaptureFixture) -> None:
    """What else a message has is not written anywhere."""
    caplog.set_level("INFO", "spot_responder")
    azure = new_azure()
    machine = azure.add_vm()
    for message in words(machine.vm_id, azure.now, 1):
        message["data"] |= {"secret": "hunter2", "bootId": "hunter2", "vmId": "hunter2", "eventId": "hunter2"}
        send(azure, message | {"dataschema": "hunter2"})
    azure.run_until(at("10:20"))
    assert not any("hunter2" in line for line in caplog.messages)
    assert "hunter2" not in str(azure.storage.recoveries.rows)
