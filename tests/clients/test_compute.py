"""What ARM answers about a VM and about an operation, as the SDK's own models bring it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from azure.mgmt.compute.models import VirtualMachine

from spot_responder.clients.compute import Compute, operation_of_answer, vm_of_answer
from spot_responder.decisions.situations import Operation, OperationState
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.vms import NotAVmIdError, PowerState, Vm
from tests.harness.makers import VM_ID

if TYPE_CHECKING:
    from collections.abc import Callable

ERRORS = Path(__file__).parents[1] / "payloads" / "errors"


def answer(**properties: object) -> dict[str, Any]:
    """Make the body of GET VM with its instance view, shaped as ARM's."""
    usual: dict[str, object] = {
        "priority": "Spot",
        "evictionPolicy": "Deallocate",
        "billingProfile": {"maxPrice": -1.0},
        "hardwareProfile": {"vmSize": "Standard_D2s_v3"},
        "provisioningState": "Succeeded",
        "vmId": "0b1f6471-1bf0-4dda-aec3-111111111111",
        "instanceView": {
            "statuses": [
                {"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded"},
                {"code": "PowerState/deallocated", "level": "Info", "displayStatus": "VM deallocated"},
            ]
        },
    }
    return {
        "name": "Render-1",
        "id": str(VM_ID),
        "type": "Microsoft.Compute/virtualMachines",
        "location": "westeurope",
        "zones": ["2"],
        "tags": {"AttemptRestartAfterEviction": "true"},
        "properties": usual | properties,
    }


def read(body: dict[str, Any]) -> Vm:
    """Read a body through the SDK's own model."""
    return vm_of_answer(VM_ID, VirtualMachine(body))


def power_state(*codes: str) -> PowerState:
    """Read the power state from these codes of an instance view."""
    return read(answer(instanceView={"statuses": [{"code": code} for code in codes]})).power_state


def test_a_spot_vm_is_read_whole() -> None:
    """Azure's own words, and not the names of the SDK's enums."""
    assert read(answer()) == Vm(
        vm_id=VM_ID,
        location="westeurope",
        size="Standard_D2s_v3",
        priority="Spot",
        tags={"AttemptRestartAfterEviction": "true"},
        power_state=PowerState.DEALLOCATED,
        zone="2",
        max_price=-1.0,
        restored_by_scale_set=None,
        unique_id="0b1f6471-1bf0-4dda-aec3-111111111111",
    )


@pytest.mark.parametrize(
    ("priority", "is_spot"),
    [("Spot", True), ("Low", True), ("SpotPlus", True), ("spot", True), ("Regular", False), ("Brandnew", False)],
)
def test_every_priority_is_read(priority: str, *, is_spot: bool) -> None:
    """Those the SDK knows, and those it does not."""
    vm = read(answer(priority=priority))
    assert vm.priority.lower() == priority.lower()
    assert vm.is_spot is is_spot


@pytest.mark.parametrize("size", ["Standard_D2s_v3", "Standard_D2s_v5", "Standard_Brandnew_v9"])
def test_every_size_is_read(size: str) -> None:
    """The SDK has a list of sizes, which is never complete."""
    assert read(answer(hardwareProfile={"vmSize": size})).size == size


def test_a_bare_answer_is_read_too() -> None:
    """No properties at all: not Spot, no tags, power state unknown."""
    expected = Vm(VM_ID, "westeurope", "", "", {}, PowerState.UNKNOWN, restored_by_scale_set=None)
    assert read({"location": "westeurope"}) == expected
    assert read({"location": "westeurope", "tags": None, "zones": [], "properties": {}}) == expected
    assert read({"location": "westeurope", "properties": {"instanceView": {}}}) == expected


def test_an_instance_of_a_flexible_scale_set_names_it() -> None:
    """Whether the set restores it, only Resource Graph tells."""
    vm = read(answer(virtualMachineScaleSet={"id": "/scaleSets/s"}))
    assert (vm.scale_set_id, vm.restored_by_scale_set) == ("/scaleSets/s", None)


def test_a_max_price_is_read() -> None:
    """In USD an hour."""
    assert read(answer(billingProfile={"maxPrice": 0.05})).max_price == pytest.approx(0.05)


def test_the_power_state_is_found_wherever_it_stands() -> None:
    """After a failed start, beside an error; in any casing; and left out, as it may be."""
    assert power_state("ProvisioningState/failed/AllocationFailed", "PowerState/deallocated") is PowerState.DEALLOCATED
    assert power_state("powerstate/Running", "ProvisioningState/updating") is PowerState.RUNNING
    assert power_state("ProvisioningState/succeeded", "OSState/generalized") is PowerState.UNKNOWN
    assert power_state() is PowerState.UNKNOWN


def test_a_status_without_a_code_is_passed_over() -> None:
    """A status that says nothing hides none that does."""
    view = {"statuses": [{"level": "Info"}, {"code": "PowerState/stopped"}]}
    assert read(answer(instanceView=view)).power_state is PowerState.STOPPED


RUNNING_OPERATION = {"startTime": "2026-03-02T10:00:00.7179167+00:00", "status": "InProgress", "name": "operation-1"}


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("InProgress", OperationState.IN_PROGRESS),
        ("Updating", OperationState.IN_PROGRESS),
        ("Succeeded", OperationState.SUCCEEDED),
        ("succeeded", OperationState.SUCCEEDED),
        ("Failed", OperationState.FAILED),
        ("Canceled", OperationState.FAILED),
        ("Cancelled", OperationState.FAILED),
    ],
)
def test_every_end_of_an_operation_is_known(status: str, state: OperationState) -> None:
    """Succeeded, Failed and Canceled end it; any other word means that Azure is at work."""
    operation = operation_of_answer(200, RUNNING_OPERATION | {"status": status}, {})
    assert operation.state is state
    assert (operation.failure is not None) is (state is OperationState.FAILED)


@pytest.mark.parametrize("body", [None, "Accepted", [], {}, {"status": None}, {"status": 7}, {"name": "x"}])
def test_202_without_a_status_means_in_progress(body: object) -> None:
    """Whatever its body is: Azure is at work."""
    assert operation_of_answer(202, body, {}) == Operation(OperationState.IN_PROGRESS)


@pytest.mark.parametrize("status", [200, 201, 204])
@pytest.mark.parametrize("body", [None, {}, {"status": None}, {"name": "x"}])
def test_at_location_200_without_a_status_means_that_it_is_done(status: int, body: object) -> None:
    """Compute's contract: 202 while it runs, then 200 or 204."""
    assert operation_of_answer(status, body, {}) == Operation(OperationState.SUCCEEDED)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, "<html>Sign in</html>"),
        (200, []),
        (200, 7),
        (301, None),
        (302, {"status": None}),
        (307, "moved"),
    ],
)
def test_rubbish_and_redirects_tell_nothing_of_the_start(status: int, body: object) -> None:
    """A proxy's page, an address elsewhere: the power state has to tell."""
    assert operation_of_answer(status, body, {}) == Operation(OperationState.UNKNOWN)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (409, "AllocationFailed", FailureKind.CAPACITY),
        (500, "AllocationFailed", FailureKind.CAPACITY),
        (409, "SpotPriceGreaterThanProvidedMaxPrice", FailureKind.PRICE),
        (403, "QuotaExceeded", FailureKind.QUOTA),
        (409, "OperationPreempted", FailureKind.CONFLICT),
        (409, "ScopeLocked", FailureKind.DENIED),
        (400, "DisksOfThisSizeAreOut", FailureKind.UNKNOWN),
    ],
)
def test_at_location_an_error_is_the_operations_own(status: int, code: str, kind: FailureKind) -> None:
    """A start that failed is told by an HTTP error at that address, with the code of a start."""
    operation = operation_of_answer(status, {"error": {"code": code, "message": "no"}}, {})
    assert operation.state is OperationState.FAILED
    assert operation.failure is not None
    assert operation.failure.kind is kind


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (429, "TooManyRequests"),
        (404, "NotFound"),
        (404, "ResourceNotFound"),
        (404, "SomethingElse"),
        (401, "InvalidAuthenticationToken"),
        (403, "AuthorizationFailed"),
        (405, "MethodNotAllowed"),
        (408, "RequestTimeout"),
        (500, "InternalServerError"),
        (503, "ServerBusy"),
        (502, ""),
    ],
)
def test_what_only_keeps_us_from_asking_is_no_failure_of_the_start(status: int, code: str) -> None:
    """Throttled, not allowed, expired, out of order: nothing is known of the start by that."""
    body = {"error": {"code": code, "message": "no"}} if code else "<html>Bad gateway</html>"
    assert operation_of_answer(status, body, {}) == Operation(OperationState.UNKNOWN)


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("poll_allocation_failed", FailureKind.CAPACITY, "AllocationFailed"),
        ("poll_zonal_allocation_failed", FailureKind.CAPACITY, "ZonalAllocationFailed"),
        ("poll_overconstrained", FailureKind.CAPACITY, "OverconstrainedAllocationRequest"),
        ("poll_preempted", FailureKind.CONFLICT, "OperationPreempted"),
        ("poll_vm_start_timed_out", FailureKind.UNKNOWN, "VMStartTimedOut"),
    ],
)
def test_a_failed_operation_says_why(name: str, kind: FailureKind, code: str) -> None:
    """It answers 200, and its body has the reason."""
    sample = json.loads((ERRORS / f"{name}.json").read_text(encoding="utf-8"))
    operation = operation_of_answer(200, sample["body"], sample["headers"])
    assert operation.failure is not None
    assert (operation.state, operation.failure.kind, operation.failure.code) == (OperationState.FAILED, kind, code)


def test_a_failed_operation_says_when_to_come_back() -> None:
    """Its headers count."""
    body = RUNNING_OPERATION | {"status": "Failed", "error": {"code": "AllocationFailed", "message": "none"}}
    operation = operation_of_answer(200, body, {"Retry-After": "90"})
    assert operation.failure is not None
    assert operation.failure.retry_after == timedelta(seconds=90)


@pytest.mark.parametrize("ask", [Compute.current, Compute.start])
def test_nothing_is_asked_about_an_instance_of_a_scale_set(ask: Callable[..., Any]) -> None:
    """Another VM may have its number for a name."""
    compute = Compute("https://management.azure.com", lambda _: cast("Any", None))
    with pytest.raises(NotAVmIdError, match="an instance of a Uniform scale set"):
        asyncio.run(ask(compute, replace(VM_ID, scale_set="workers")))
