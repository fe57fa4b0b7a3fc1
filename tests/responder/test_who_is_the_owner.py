"""Who is "the owner": whatever deallocates a VM by ARM, a person or a program. Such a VM stays down."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from localazure.world.happenings import ActionSucceeded
from localazure.world.world import OWNER
from spot_responder.intake.events import read_event
from spot_responder.intake.signals import Signal, SignalKind
from tests.harness.log_analytics import REPOSITORY
from tests.harness.makers import TEN, at

if TYPE_CHECKING:
    from localazure.world.happenings import Happening
    from tests.harness.stories import NewAzure

TENANT = "99999999-0000-4000-8000-000000000001"
OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
PROGRAM: dict[str, str] = {
    "aud": "https://management.azure.com/",
    "iss": f"https://sts.windows.net/{TENANT}/",
    "appid": "44444444-0000-4000-8000-000000000003",
    "appidacr": "2",
    "idtyp": "app",
    OBJECT_ID: "44444444-0000-4000-8000-000000000004",
    "ver": "1.0",
}
"""The claims of a token that no person is behind: neither a name nor a user principal name."""

RUNBOOK = "/subscriptions/s/resourcegroups/rg/providers/Microsoft.Automation/automationAccounts/nightly"
CALLERS: dict[str, dict[str, str]] = {
    "DevTest auto-shutdown": PROGRAM,
    "an Automation runbook with a managed identity": PROGRAM | {"xms_mirid": RUNBOOK},
    "a script with a service principal's secret": PROGRAM | {"appidacr": "1"},
    "a token that says its application only": {"appid": PROGRAM["appid"], "idtyp": "app"},
    "a token that says its object id only": {"oid": PROGRAM[OBJECT_ID], "idtyp": "app"},
    "a person": {"upn": "somebody@example.com", "name": "Somebody Made Up"},
}


def stop_by(claims: dict[str, str], vm_id: str, **data: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever an event has
    """Give the event of a deallocation that somebody with these claims asked for; ARM tells of no role."""
    read: list[dict[str, Any]] = json.loads(
        (REPOSITORY / "tests/payloads/events/action_deallocate_eventgrid.json").read_text("utf-8")
    )
    (event,) = read
    told = event["data"] | {"claims": claims, "resourceUri": vm_id, "authorization": {"scope": vm_id}} | data
    return event | {"subject": vm_id, "eventTime": "2026-03-02T10:00:05Z", "data": told}


@pytest.mark.parametrize("claims", CALLERS.values(), ids=CALLERS)
@pytest.mark.parametrize("operation", ["deallocate", "powerOff"])
def test_whoever_stops_a_vm_by_arm_is_its_owner(claims: dict[str, str], operation: str) -> None:
    """A person or a program: ARM's event names who it was."""
    vm_id = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm-1"
    action = f"Microsoft.Compute/virtualMachines/{operation}/action"
    read = read_event(stop_by(claims, vm_id, operationName=action))
    assert isinstance(read, Signal)
    assert (read.kind, read.has_caller) == (SignalKind.STOPPED_BY_OWNER, True)


@pytest.mark.parametrize("claims", CALLERS.values(), ids=CALLERS)
def test_what_a_program_stopped_stays_down_even_right_after_an_eviction(
    claims: dict[str, str], new_azure: NewAzure
) -> None:
    """Evicted at ten without capacity, deallocated by a program five seconds later: nothing starts it for a day."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:02"))
    before = len(vm.start_calls)
    azure.handle(stop_by(claims, vm.vm_id) | {"eventTime": "2026-03-02T10:01:50Z"})
    azure.world.set_capacity(azure.pool_key(), None)
    azure.run_until(at("23:00"))
    assert len(vm.start_calls) == before


def test_a_vm_that_its_owner_stopped_last_month_and_tags_today_is_started(new_azure: NewAzure) -> None:
    """While it had no tag, its stop was not kept. Nothing that is left of it says whose it was: it is started."""
    azure = new_azure()
    vm = azure.add_vm(tags={}, power_state="deallocated")
    azure.run_until(at("10:20"))
    assert vm.start_calls == []
    azure.world.retag("render-1", {"AttemptRestartAfterEviction": "true"})
    azure.run_until(at("10:40"))
    assert len(vm.start_calls) == 1


def test_where_its_newest_health_annotation_tells_of_the_stop_it_stays_down(new_azure: NewAzure) -> None:
    """The events are long gone, but Resource Graph still shows why it went down."""
    azure = new_azure()
    vm = azure.add_vm(tags={})
    azure.world.stop_by_owner("render-1", OWNER)
    azure.run_until(at("20:00"))
    azure.world.retag("render-1", {"AttemptRestartAfterEviction": "true"})
    azure.run_until(at("23:00"))
    assert vm.start_calls == []


def test_an_hourly_script_that_starts_it_and_a_nightly_one_that_stops_it(new_azure: NewAzure) -> None:
    """A start by others takes the stop back: evicted after that, it is brought back."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.stop_by_owner("render-1", "runbook")
    azure.run_until(at("11:00"))
    azure.world.start(vm, "runbook")
    azure.run_until(at("11:10"))
    azure.world.evict("render-1")
    azure.run_until(at("11:20"))
    assert [call.caller for call in vm.start_calls] == ["runbook", "responder"]


def lost(happening: Happening) -> bool:
    """Lose the events that name who it was."""
    return isinstance(happening, ActionSucceeded)


def test_without_arms_event_the_annotation_is_enough(new_azure: NewAzure) -> None:
    """One of the two topics is silent."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.script.lost = lost
    azure.world.stop_by_owner("render-1", "runbook")
    azure.run_until(at("12:00"))
    assert vm.start_calls == []
    assert azure.now > TEN
