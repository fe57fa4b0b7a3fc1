"""The port to Azure Resource Manager's Compute provider: one VM as it is at this moment, and the start request.

Opened by ``connections.py``, called by ``responder/gather.py`` and ``responder/acting/starts.py``; requests wait for
their turn in ``rate_limiter.py``.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from typing import TYPE_CHECKING, assert_never
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError
from azure.core.rest import HttpRequest

from spot_responder.clients.rate_limiter import Turns
from spot_responder.clients.sdk_errors import UNREADABLE, refusal, unreadable
from spot_responder.decisions.situations import Operation, OperationState
from spot_responder.decisions.token_bucket import READS, WRITES
from spot_responder.intake.azure_errors import NO_ANSWER, FailureKind, classify
from spot_responder.intake.vms import NotAVmIdError, PowerState, Vm
from spot_responder.responder.ports import AzureRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from azure.core.pipeline import PipelineResponse
    from azure.core.rest import AsyncHttpResponse
    from azure.mgmt.compute.aio import ComputeManagementClient
    from azure.mgmt.compute.aio.operations import VirtualMachinesOperations
    from azure.mgmt.compute.models import VirtualMachine

    from spot_responder.clients.rate_limiter import Answer
    from spot_responder.intake.azure_errors import Failure
    from spot_responder.intake.vms import VmId

    type Hook = Callable[[PipelineResponse[object, object]], None]

_ENDED_WELL = "succeeded"
_ENDED_BADLY = frozenset({"failed", "canceled", "cancelled"})
_DONE = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT})
_ABOUT_THE_QUESTION = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.REQUEST_TIMEOUT})

POLL_PATIENCE_S = 10.0
"""How long an operation's address may take to answer, in seconds: a start must not rest on a look that is older
(``LOOK_HOLDS``)."""


MOST_SUBSCRIPTIONS = 2000
"""How many subscriptions' clients are kept: a sender that may write to the queue could name any number."""


@dataclass(slots=True)
class Compute:
    """The port to ARM. ``new_client`` gives a client for one subscription; they are kept."""

    arm_endpoint: str
    new_client: Callable[[str], ComputeManagementClient]
    poll_patience_s: float = POLL_PATIENCE_S
    _clients: dict[str, ComputeManagementClient] = field(default_factory=dict)
    _reads: Turns = field(default_factory=lambda: Turns(READS, "x-ms-ratelimit-remaining-subscription-reads"))
    _polls: Turns = field(default_factory=lambda: Turns(READS, "x-ms-ratelimit-remaining-subscription-reads"))
    _writes: Turns = field(default_factory=lambda: Turns(WRITES, "x-ms-ratelimit-remaining-subscription-writes"))

    async def current(self, vm_id: VmId) -> Vm | None:
        """Give the VM with its instance view: tags, priority and power state of this moment, in one request.

        ``None`` where Azure says that there is no such VM. A 404 that speaks of anything else is a refusal.

        Raises:
            AzureRefusedError: throttled, denied or no answer.
        """
        machines, what = self._machines(vm_id), f"show {vm_id}"
        async with self._reads.turn(vm_id.subscription_id.lower(), what) as turn:
            try:
                answer = await machines.get(
                    vm_id.resource_group, vm_id.name, expand="instanceView", raw_response_hook=turn.hear
                )
                return vm_of_answer(vm_id, answer)
            except AzureError as error:
                refused = refusal(error, what)
                is_404 = getattr(error, "status_code", None) == HTTPStatus.NOT_FOUND
                if is_404 and refused.failure.kind is FailureKind.GONE:
                    return None
                raise refused from error
            except UNREADABLE as error:
                raise unreadable(error, what) from error

    async def start(self, vm_id: VmId) -> str | None:
        """Ask for a start; give the address of the operation that Azure has begun.

        Raises:
            AzureRefusedError: whatever Azure said instead of "accepted".
        """
        machines, what = self._machines(vm_id), f"start {vm_id}"
        async with self._writes.turn(vm_id.subscription_id.lower(), what) as turn:
            try:
                await machines.begin_start(vm_id.resource_group, vm_id.name, polling=False, raw_response_hook=turn.hear)
            except AzureError as error:
                raise refusal(error, what) from error
            except UNREADABLE as error:
                # Azure may have accepted the request.
                raise unreadable(error, what, NO_ANSWER) from error
        return turn.headers.get("Azure-AsyncOperation") or turn.headers.get("Location")

    async def operation(self, operation_url: str) -> Operation:
        """Ask for the state of the operation behind an accepted start. An error does not stop the look.

        An address that is not ARM's own is never asked, since a token goes with the request; nor is a redirect
        followed.
        """
        if not self._is_arms_own(operation_url):
            return Operation(OperationState.UNKNOWN)
        subscription_id = operation_url.lower().partition("/subscriptions/")[2].partition("/")[0]
        what = "tell how the start is doing"
        try:
            async with self._polls.turn(subscription_id, what) as held, self._reads.turn(subscription_id, what) as read:
                # A poll counts as a read, but one that is throttled delays polls only: VMs are still read.
                return await self._poll(operation_url, subscription_id, lambda heard: _hear(heard, held, read))
        except AzureRefusedError:
            # Not asked: too many requests are in line.
            return Operation(OperationState.UNKNOWN)

    async def _poll(self, operation_url: str, subscription_id: str, hear: Hook) -> Operation:
        request = HttpRequest("GET", operation_url)
        try:
            async with asyncio.timeout(self.poll_patience_s):
                response = await self._client(subscription_id).send_request(
                    request, raw_response_hook=hear, permit_redirects=False
                )
                return operation_of_answer(response.status_code, _body(response), dict(response.headers))
        except (TimeoutError, AzureError, *UNREADABLE):
            return Operation(OperationState.UNKNOWN)

    def _is_arms_own(self, address: str) -> bool:
        try:
            return urlsplit(address)[:2] == urlsplit(self.arm_endpoint)[:2]
        except ValueError:
            return False

    def _machines(self, vm_id: VmId) -> VirtualMachinesOperations:
        """Give what asks about stand-alone VMs. An instance of a scale set has a VM's name that another VM may have."""
        if vm_id.scale_set:
            message = f"{vm_id} is an instance of a Uniform scale set, which the app does not handle yet"
            raise NotAVmIdError(message)
        return self._client(vm_id.subscription_id).virtual_machines

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
        etag=answer.etag or "",
        principal_id=answer.identity.principal_id if answer.identity else None,
        unique_id=answer.vm_id or "",
    )


def _plain(value: str | None) -> str:
    # The SDK turns the values it knows into enums, whose str() is their Python name and not Azure's word.
    return str(value.value) if isinstance(value, Enum) else value or ""


def operation_of_answer(status: int, body: object, headers: Mapping[str, str]) -> Operation:
    """Read what ARM answers about a long-running operation.

    At the address of ``Azure-AsyncOperation`` the body has the state, with status 200 also for a failure. At that of
    ``Location`` the status is the state: 202 while it runs, 200 or 204 when it is done, an error where it failed
    (docs/azure-facts.md arm-5). ``body``: as parsed, ``None`` where there is none, text where it is not JSON.
    """
    if status >= HTTPStatus.BAD_REQUEST:
        return _operation_of_error(status, classify(status, body, headers))
    told = body.get("status") if isinstance(body, dict) else None
    word = told.lower() if isinstance(told, str) else ""
    if word in _ENDED_BADLY:
        return Operation(OperationState.FAILED, classify(HTTPStatus.OK, body, headers))
    if word == _ENDED_WELL:
        return Operation(OperationState.SUCCEEDED)
    if word or status == HTTPStatus.ACCEPTED:
        return Operation(OperationState.IN_PROGRESS)
    is_done = status in _DONE and (body is None or isinstance(body, dict))
    return Operation(OperationState.SUCCEEDED if is_done else OperationState.UNKNOWN)


def _operation_of_error(status: int, failure: Failure) -> Operation:
    """Say whether an error at an operation's address is the operation's own, or of the poll."""
    match failure.kind:
        case FailureKind.CAPACITY | FailureKind.PRICE | FailureKind.QUOTA | FailureKind.CONFLICT:
            is_its_own = True
        case FailureKind.DENIED:
            is_its_own = status not in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
        case FailureKind.UNKNOWN:
            is_its_own = status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _ABOUT_THE_QUESTION
        case FailureKind.THROTTLED | FailureKind.GONE:
            is_its_own = False
        case _:
            assert_never(failure.kind)
    return Operation(OperationState.FAILED, failure) if is_its_own else Operation(OperationState.UNKNOWN)


def _hear(heard: PipelineResponse[object, object], held: Answer, read: Answer) -> None:
    is_throttled = getattr(heard.http_response, "status_code", 0) == HTTPStatus.TOO_MANY_REQUESTS
    (held if is_throttled else read).hear(heard)


def _body(response: AsyncHttpResponse) -> object:
    """Give the body as parsed; as text where it is no JSON, ``None`` where it is empty."""
    try:
        text = response.text()
        return json.loads(text) if text.strip() else None
    except (ValueError, LookupError, RecursionError):
        return response.content.decode("utf-8", "replace")
