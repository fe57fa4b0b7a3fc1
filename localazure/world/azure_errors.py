"""Azure's error answers: codes and texts as documented or reported. Raised by the world and by all fronts."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NONE: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class CloudError:
    """Code and message, as an operation that failed carries them."""

    code: str
    message: str


@dataclass(eq=False)
class Refused(Exception):  # noqa: N818 - the world's contract names it so
    """Azure answers a request with an error at once.

    ``flat`` leaves out the ``error`` wrapper, as Compute's 429 does (docs/azure-facts.md arm-7).
    """

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(default=_NONE)
    details: Sequence[Mapping[str, str]] = ()
    flat: bool = False

    def __str__(self) -> str:
        """Say status, code and message in one line."""
        return f"{self.status} {self.code}: {self.message}"

    def body(self) -> dict[str, object]:
        """Give the JSON body of the answer."""
        error: dict[str, object] = {"code": self.code, "message": self.message}
        if self.details:
            error["details"] = [dict(detail) for detail in self.details]
        return error if self.flat else {"error": error}


ALLOCATION_FAILED: Final = CloudError(
    "AllocationFailed",
    "Allocation failed. We do not have sufficient capacity for the requested VM size in this region. "
    "Read more about improving likelihood of allocation success at https://aka.ms/allocation-guidance",
)
OPERATION_PREEMPTED: Final = CloudError(
    "OperationPreempted", "Operation execution has been preempted by a more recent operation."
)


def not_found(name: str, resource_group: str) -> Refused:
    """No VM of this name in this resource group."""
    return Refused(
        404,
        "ResourceNotFound",
        f"The Resource 'Microsoft.Compute/virtualMachines/{name}' under resource group '{resource_group}' was not "
        "found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def entity_not_found() -> Refused:
    """Say what Compute says of a VM that its eviction deleted (recorded)."""
    return Refused(404, "NotFound", "The entity was not found in this Azure location.")


def method_not_allowed(method: str, address: str, allowed: Sequence[str]) -> Refused:
    """Say that nothing answers to this method here (reported)."""
    message = f"The HTTP method '{method}' is not supported on the resource '{address[:1000]}'."
    return Refused(405, "MethodNotAllowed", message, headers={"Allow": ", ".join(allowed)})


def group_not_found(resource_group: str) -> Refused:
    """No such resource group."""
    return Refused(404, "ResourceGroupNotFound", f"Resource group '{resource_group}' could not be found.")


def ongoing_operation(name: str, target: str, asked: str) -> Refused:
    """Something else is changing the power state (documented template)."""
    return Refused(
        409,
        "OperationNotAllowed",
        f"An ongoing operation is changing power state of Virtual Machine {name} to {target}. "
        f"Please perform operation {asked} after some time.",
    )


def marked_for_deletion(name: str, asked: str) -> Refused:
    """Say that the VM is on its way out (documented template)."""
    return Refused(
        409,
        "OperationNotAllowed",
        f"Operation '{asked}' is not allowed on VM '{name}' since the VM is marked for deletion. "
        "You can only retry the Delete operation (or wait for an ongoing one to complete).",
    )


def deallocated(name: str, asked: str) -> Refused:
    """Say that the VM has no place to do this in (documented template)."""
    return Refused(
        409,
        "OperationNotAllowed",
        f"Operation '{asked}' is not allowed on VM '{name}' since the VM is either deallocated or marked to be "
        "deallocated. Please refer to https://aka.ms/vmpowerstates to learn about different VM power states.",
    )


def not_running(name: str, asked: str) -> Refused:
    """Say that only a running VM can do this. The wording is ours: no recording was found."""
    return Refused(
        409, "OperationNotAllowed", f"Operation '{asked}' is not allowed on VM '{name}' since the VM is not running."
    )


def unchangeable(target: str) -> Refused:
    """Say that a property stays as it was made (documented template)."""
    return Refused(409, "PropertyChangeNotAllowed", f"Changing property '{target}' is not allowed.")


def not_while_allocated(name: str, target: str) -> Refused:
    """Say that a VM must be deallocated for this. The wording is ours: no recording was found."""
    return Refused(
        409, "OperationNotAllowed", f"Property '{target}' of VM '{name}' can be changed only while it is deallocated."
    )


def not_spot(name: str) -> Refused:
    """Only a Spot VM can be evicted. The wording is ours: no recording was found."""
    return Refused(
        409, "OperationNotAllowed", f"Operation 'simulateEviction' is not allowed on VM '{name}': it is not Azure Spot."
    )


def price_too_high(size: str, max_price: float, price: float) -> Refused:
    """Say that the Spot price is above what the VM may cost (documented template; the status is an assumption)."""
    return Refused(
        409,
        "SpotPriceGreaterThanProvidedMaxPrice",
        f"Unable to perform operation 'Start' since the provided max price '{max_price:g} USD' is lower than the "
        f"current spot price '{price:g} USD' for Azure Spot Virtual Machine size '{size}'.",
    )


def low_priority_quota(location: str, limit: int, usage: int, additional: int) -> Refused:
    """Say that the Spot cores of subscription and region are used up (reported text, status inferred)."""
    return Refused(
        409,
        "OperationNotAllowed",
        "Operation could not be completed as it results in exceeding approved LowPriorityCores quota. Additional "
        f"details - Deployment Model: Resource Manager, Location: {location}, Current Limit: {limit}, "
        f"Current Usage: {usage}, Additional Required: {additional}, (Minimum) New Limit Required: "
        f"{usage + additional}. Please read more about quota limits at "
        "https://docs.microsoft.com/en-us/azure/azure-portal/supportability/low-priority-quota",
    )
