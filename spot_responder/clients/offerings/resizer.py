"""The port that changes the size of a deallocated VM, with an identity of its own.

Opened by ``connections.py`` where ``RESIZE_CLIENT_ID`` names that identity; called by ``responder/acting/resizes.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from azure.core import MatchConditions
from azure.core.exceptions import AzureError

from spot_responder.clients.rate_limiter import Turns
from spot_responder.clients.sdk_errors import UNREADABLE, refusal, unreadable
from spot_responder.decisions.token_bucket import WRITES
from spot_responder.intake.azure_errors import NO_ANSWER, Failure, FailureKind
from spot_responder.responder.ports import AzureRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure.mgmt.compute.aio import ComputeManagementClient

    from spot_responder.intake.vms import Vm


@dataclass(slots=True)
class Resizer:
    """The port. ``new_client`` gives a client of the identity that may write VMs, for one subscription."""

    new_client: Callable[[str], ComputeManagementClient]
    _clients: dict[str, ComputeManagementClient] = field(default_factory=dict)
    _writes: Turns = field(default_factory=lambda: Turns(WRITES, "x-ms-ratelimit-remaining-subscription-writes"))

    async def resize(self, vm: Vm, size: str) -> str | None:
        """Ask for another size with PATCH, and nothing else in it; give the address of the operation.

        ARM refuses it where the VM was changed since it was read, if ARM gave an ETag then: a PATCH of the size
        restarts a VM that runs (docs/azure-facts.md sizes-7).

        Raises:
            AzureRefusedError: whatever Azure said instead of "accepted".
        """
        subscription, what = vm.vm_id.subscription_id.lower(), f"change {vm.vm_id} to {size}"
        if subscription not in self._clients:
            self._clients[subscription] = self.new_client(vm.vm_id.subscription_id)
        machines = self._clients[subscription].virtual_machines
        body = {"properties": {"hardwareProfile": {"vmSize": size}}}
        condition = {"etag": vm.etag, "match_condition": MatchConditions.IfNotModified} if vm.etag else {}
        async with self._writes.turn(subscription, what) as turn:
            try:
                await machines.begin_update(  # type: ignore[call-overload]  # the body as ARM has it, and nothing else
                    vm.vm_id.resource_group,
                    vm.vm_id.name,
                    body,
                    polling=False,
                    raw_response_hook=turn.hear,
                    **condition,
                )
            except AzureError as error:
                raise _refused(refusal(error, what), error, what) from error
            except UNREADABLE as error:
                # Azure may have accepted the request.
                raise unreadable(error, what, NO_ANSWER) from error
        return turn.headers.get("Azure-AsyncOperation") or turn.headers.get("Location")


def _refused(refused: AzureRefusedError, error: AzureError, what: str) -> AzureRefusedError:
    """Take an ETag that does not match for what it is: somebody changed the VM since it was read."""
    if getattr(error, "status_code", None) != HTTPStatus.PRECONDITION_FAILED:
        return refused
    failure = refused.failure
    return AzureRefusedError(Failure(FailureKind.CONFLICT, failure.code, failure.message, failure.retry_after), what)
