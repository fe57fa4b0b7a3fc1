"""Azure Resource Manager's Compute provider: what is true of one VM at this moment, and the start request."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.core.rest import HttpRequest

from spot_responder.clients.sdk_errors import refusal
from spot_responder.clients.turns import Turns
from spot_responder.failures import FailureKind, classify
from spot_responder.pacing import READS, WRITES
from spot_responder.situations import Operation, OperationState
from spot_responder.vms import PowerState, Vm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from azure.mgmt.compute.aio import ComputeManagementClient
    from azure.mgmt.compute.models import VirtualMachine

    from spot_responder.vms import VmId

_ENDED_WELL = "succeeded"
_ENDED_BADLY = frozenset({"failed", "canceled", "cancelled"})
_NOT_TO_BE_ASKED = frozenset({FailureKind.GONE, FailureKind.DENIED})


MOST_SUBSCRIPTIONS = 2000
"""So many clients are kept: whoever may write to the queue can name subscriptions without end."""


@dataclass(slots=True)
class Compute:
    """The door to ARM. ``new_client`` gives a client for one subscription; they are kept."""

    arm_endpoint: str
    new_client: Callable[[str], ComputeManagementClient]
    _clients: dict[str, ComputeManagementClient] = field(default_factory=dict)
    _reads: Turns = field(default_factory=lambda: Turns(READS, "x-ms-ratelimit-remaining-subscription-reads"))
    _writes: Turns = field(default_factory=lambda: Turns(WRITES, "x-ms-ratelimit-remaining-subscription-writes"))

    async def current(self, vm_id: VmId) -> Vm | None:
        """Give the VM with its instance view: tags, priority and power state of this moment, in one request.

        Raises:
            AzureRefusedError: throttled, denied or no answer.
        """
        machines, what = self._client(vm_id.subscription_id).virtual_machines, f"show {vm_id}"
        async with self._reads.turn(vm_id.subscription_id.lower(), what) as turn:
            try:
                answer = await machines.get(
                    vm_id.resource_group, vm_id.name, expand="instanceView", raw_response_hook=turn.hear
                )
            except ResourceNotFoundError:
                return None
            except AzureError as error:
                raise refusal(error, what) from error
        return vm_of_answer(vm_id, answer)

    async def start(self, vm_id: VmId) -> str | None:
        """Ask for a start; give the address of the operation that Azure has begun.

        Raises:
            AzureRefusedError: whatever Azure said instead of "accepted".
        """
        machines, what = self._client(vm_id.subscription_id).virtual_machines, f"start {vm_id}"
        async with self._writes.turn(vm_id.subscription_id.lower(), what) as turn:
            try:
                await machines.begin_start(vm_id.resource_group, vm_id.name, polling=False, raw_response_hook=turn.hear)
            except AzureError as error:
                raise refusal(error, what) from error
        return turn.headers.get("Azure-AsyncOperation") or turn.headers.get("Location")

    async def operation(self, operation_url: str) -> Operation:
        """Ask how the operation behind an accepted start is doing.

        An address that is not ARM's own is never asked, since a token goes with the question; and one that answers
        "gone" or "denied" is lost: the power state tells the rest.

        Raises:
            AzureRefusedError: throttled or no answer.
        """
        if urlsplit(operation_url)[:2] != urlsplit(self.arm_endpoint)[:2]:
            return Operation(OperationState.LOST)
        what = "tell how the start is doing"
        subscription_id = operation_url.lower().partition("/subscriptions/")[2].partition("/")[0]
        async with self._reads.turn(subscription_id, what) as turn:
            try:
                request = HttpRequest("GET", operation_url)
                response = await self._client(subscription_id).send_request(request, raw_response_hook=turn.hear)
                if response.status_code >= HTTPStatus.BAD_REQUEST:
                    raise HttpResponseError(response=response)
            except AzureError as error:
                refused = refusal(error, what)
                is_missing = isinstance(error, HttpResponseError) and error.status_code == HTTPStatus.NOT_FOUND
                if is_missing or refused.failure.kind in _NOT_TO_BE_ASKED:
                    return Operation(OperationState.LOST)
                raise refused from error
        # While it runs, an address taken from "Location" answers 202 and nothing else (facts/arm.md §1).
        body = response.json() if response.text() else None
        return operation_of_answer(body, dict(response.headers))

    def _client(self, subscription_id: str) -> ComputeManagementClient:
        key = subscription_id.lower()
        if key not in self._clients:
            if len(self._clients) >= MOST_SUBSCRIPTIONS:
                self._clients.pop(next(iter(self._clients)))
            self._clients[key] = self.new_client(subscription_id)
        return self._clients[key]


def vm_of_answer(vm_id: VmId, answer: VirtualMachine) -> Vm:
    """Read what ARM answers to GET VM with its instance view."""
    statuses = answer.instance_view.statuses if answer.instance_view else None
    codes = [status.code or "" for status in statuses or []]
    power_code = next((code for code in codes if code.lower().startswith("powerstate/")), None)
    return Vm(
        vm_id=vm_id,
        location=answer.location,
        size=_plain(answer.hardware_profile.vm_size) if answer.hardware_profile else "",
        priority=_plain(answer.priority),
        tags=dict(answer.tags or {}),
        power_state=PowerState.parse(power_code),
        zone=answer.zones[0] if answer.zones else None,
        max_price=answer.billing_profile.max_price if answer.billing_profile else None,
        scale_set_id=answer.virtual_machine_scale_set.id if answer.virtual_machine_scale_set else None,
        restored_by_scale_set=None,
    )


def _plain(value: str | None) -> str:
    # The SDK turns the values it knows into enums, whose str() is their Python name and not Azure's word.
    return str(value.value) if isinstance(value, Enum) else value or ""


def operation_of_answer(body: object, headers: Mapping[str, str]) -> Operation:
    """Read what ARM answers about a long-running operation (facts/arm.md §1: a failed one answers 200)."""
    status = str(body.get("status", "")).lower() if isinstance(body, dict) else ""
    if status == _ENDED_WELL:
        return Operation(OperationState.SUCCEEDED)
    if status in _ENDED_BADLY:
        return Operation(OperationState.FAILED, classify(200, body, headers))
    return Operation(OperationState.IN_PROGRESS)
