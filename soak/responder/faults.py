"""The faults between app and Azure: which requests fail, and how; which events are late, doubled or lost.

Drawn by ``schedule.py`` for each schedule.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from localazure.virtual.wire import Death, Fate, RequestKind
from localazure.world.azure_errors import Refused
from localazure.world.happenings import Annotated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

    from localazure.virtual.clock import VirtualClock
    from localazure.world.happenings import Happening

_BUSY: Final = "An ongoing operation is changing power state of Virtual Machine vm to starting. Please try later."
_QUOTA: Final = "Operation could not be completed as it results in exceeding approved LowPriorityCores quota."
_THROTTLED: Final = "The server rejected the request because too many requests have been received."
_LEAVING: Final = "Operation 'start' is not allowed on VM 'vm' since the VM is marked for deletion."
_GENERALIZED: Final = "Operation 'start' is not allowed on VM 'vm' since the VM is generalized."

START_CODES: Final = (
    ("SkuNotAvailable", "The requested size is currently not available."),
    ("AllocationFailed", "Allocation failed."),
    ("ZonalAllocationFailed", "Allocation failed in this zone."),
    ("OverconstrainedAllocationRequest", "Allocation failed: constraints."),
    ("OverconstrainedZonalAllocationRequest", "Allocation failed: constraints in this zone."),
    ("SpotPriceGreaterThanProvidedMaxPrice", "The provided max price is lower than the current spot price."),
    ("OperationNotAllowed", _BUSY),
    ("OperationNotAllowed", _QUOTA),
    ("OperationNotAllowed", _THROTTLED),
    ("OperationNotAllowed", _LEAVING),
    ("OperationNotAllowed", _GENERALIZED),
    ("QuotaExceeded", "Quota exceeded."),
    ("TooManyRequests", "Too many requests."),
    ("ResourceRequestsThrottled", "Number of requests exceeded the limit."),
    ("AttachDiskWhileBeingDetached", "The disk is being detached."),
    ("AnotherOperationInProgress", "Another operation is in progress."),
    ("OperationPreempted", "Operation execution has been preempted by a more recent operation."),
    ("RetryableErrorDueToAnotherOperation", "Try again."),
    ("VMStartTimedOut", "The VM did not start in time."),
    ("OSProvisioningTimedOut", "OS provisioning did not finish in the allotted time."),
    ("ResourceNotFound", "The Resource 'Microsoft.Compute/virtualMachines/vm' was not found."),
    ("ResourceNotFound", "The Resource 'Microsoft.Network/networkInterfaces/nic' was not found."),
    ("ResourceGroupNotFound", "Resource group 'rg' could not be found."),
    ("NotFound", "The entity was not found in this Azure location."),
    ("NotFound", "The Availability Set 'set' cannot be found."),
    ("Conflict", "Conflict."),
    ("ConflictingConcurrentWriteNotAllowed", "The operation was interrupted by a conflicting concurrent write."),
    ("ResourceGroupBeingDeleted", "The resource group 'rg' is in deprovisioning state."),
    ("InvalidResourceReference", "Resource nic referenced by resource vm was not found."),
    ("SubscriptionNotFound", "The subscription 's' could not be found."),
    ("MissingSubscriptionRegistration", "The subscription is not registered to use namespace 'Microsoft.Compute'."),
    ("InvalidSubscriptionRegistrationState", "The subscription is not registered."),
    ("NoRegisteredProviderFound", "No registered resource provider found for location 'westeurope'."),
    ("InvalidApiVersionParameter", "The api-version '2026-04-01' is invalid."),
    ("AuthorizationFailed", "The client does not have authorization to perform the action."),
    ("InvalidAuthenticationTokenTenant", "The access token is from the wrong issuer."),
    ("ScopeLocked", "The scope is locked."),
    ("RegionDoesNotAllowProvisioning", "The region does not accept new customers."),
    ("KeyVaultAccessForbidden", "Unable to access key vault resource to enable encryption at rest."),
    ("DiskEncryptionKeySecretUnwrapFailed", "Unwrap of secret value failed."),
    ("StorageAccountNotFound", "Storage account 'disks' not found."),
    ("StorageAccountTypeNotSupported", "Disk uses a Blob storage account."),
    ("DiskBlobNotFound", "Unable to find VHD blob."),
    ("ConflictingUserInput", "Disk is already attached to another VM."),
    ("VMMarketplaceInvalidInput", "The purchase information does not match."),
    ("AzureSpotIsNotSupportedForThisVMSize", "Azure Spot is not supported for this VM size."),
    ("AzureSpotFeatureNotEnabledForSubscription", "Azure Spot is not enabled for the subscription."),
    ("InternalExecutionError", "An internal execution error occurred."),
    ("NetworkingInternalOperationError", "An unexpected error occurred while processing the network profile."),
    ("OperationNotAllowed", "The maximum number of data disks allowed to be attached to a VM of this size is 4."),
    ("NeverSeenBefore", "Nobody knows."),
)
"""What a start may be refused with, at once or inside the operation (docs/azure-facts.md arm-8)."""

STUCK_WITH: Final = (
    Refused(409, "NeverSeenBefore", "Nobody knows."),
    Refused(404, "NeverSeenBefore", "Nobody knows."),
    Refused(409, "KeyVaultAccessForbidden", "Unable to access key vault resource to enable encryption at rest."),
    Refused(404, "InvalidResourceType", "The resource type could not be found in the namespace 'Microsoft.Compute'."),
    Refused(403, "AuthorizationFailed", "The client does not have authorization to perform the action."),
)
"""What each start of a VM may be refused with, until somebody mends it."""

_DENIED: Final = Refused(403, "AuthorizationFailed", "The client does not have authorization to perform the action.")
_BROKEN: Final = Refused(500, "InternalServerError", "Encountered internal server error.")
_UNAVAILABLE: Final = Refused(503, "ServerBusy", "The server is busy.")
_WRONG: Final = Refused(400, "BadRequest", "Please provide below info when asking for support.")
_ELSEWHERE: Final = Refused(404, "InvalidResourceType", "The resource type could not be found in the namespace.")
_NO_SUBSCRIPTION: Final = Refused(404, "SubscriptionNotFound", "The subscription could not be found.")
_NO_GROUP: Final = Refused(404, "ResourceGroupNotFound", "Resource group 'rg-spot' could not be found.")
_NO_VM: Final = Refused(404, "ResourceNotFound", "The Resource 'Microsoft.Compute/virtualMachines/vm' was not found.")
_NO_ENTITY: Final = Refused(404, "NotFound", "The entity was not found in this Azure location.")
_NO_ROW: Final = Refused(404, "ResourceNotFound", "The specified resource does not exist.")
_NO_TABLE: Final = Refused(404, "TableNotFound", "The table specified does not exist.")
_NO_QUEUE: Final = Refused(404, "QueueNotFound", "The specified queue does not exist.")
_NO_TOPIC: Final = Refused(404, "NotFound", "There is no such topic.")
_NO_GATEWAY: Final = Refused(404, "", "")
_GRAPH_THROTTLED: Final = Refused(
    429,
    "RateLimiting",
    "Too many requests.",
    {"x-ms-user-quota-remaining": "0", "x-ms-user-quota-resets-after": "00:00:05"},
)


def _slow_down(seconds: int) -> Refused:
    return Refused(429, "ResourceRequestsThrottled", "Too many requests.", {"Retry-After": str(seconds)})


REFUSALS: Final[Mapping[RequestKind, tuple[Refused, ...]]] = {
    RequestKind.GRAPH: (_GRAPH_THROTTLED, _BROKEN, _UNAVAILABLE, _WRONG, _DENIED),
    RequestKind.VM_READ: (
        _slow_down(7),
        _slow_down(300),
        *(_BROKEN, _UNAVAILABLE, _DENIED, _WRONG),
        *(_NO_VM, _NO_ENTITY, _NO_GROUP, _NO_SUBSCRIPTION, _ELSEWHERE, _NO_GATEWAY),
    ),
    RequestKind.VM_START: (
        *(Refused(409, code, message) for code, message in START_CODES),
        _slow_down(17),
        _slow_down(600),
        _BROKEN,
        _DENIED,
    ),
    RequestKind.VM_RESIZE: (
        *(Refused(409, code, message) for code, message in START_CODES),
        Refused(409, "OperationNotAllowed", "changing from resource disk to non-resource disk VM size is not allowed."),
        *(_slow_down(17), _slow_down(600), _BROKEN, _DENIED),
    ),
    RequestKind.OFFERINGS: (_slow_down(7), _BROKEN, _UNAVAILABLE, _DENIED, _WRONG, _NO_GATEWAY),
    RequestKind.OPERATION_READ: (
        Refused(404, "NotFound", "The operation was not found."),
        *(_DENIED, _slow_down(7), _slow_down(600), _BROKEN, _WRONG, _NO_GATEWAY),
    ),
    RequestKind.ROW_READ: (_BROKEN, _UNAVAILABLE, _NO_ROW, _NO_TABLE),
    RequestKind.ROW_WRITE: (_BROKEN, _UNAVAILABLE, _NO_TABLE),
    RequestKind.QUEUE_PUT: (_BROKEN, _UNAVAILABLE, _NO_QUEUE),
    RequestKind.OUTCOME: (_DENIED, _BROKEN, _NO_TOPIC),
    RequestKind.WORK_READ: (_DENIED, _BROKEN, _UNAVAILABLE, _NO_QUEUE, _NO_TABLE),
}
"""What each kind of request may be answered instead of what it was asked for."""


@dataclass(frozen=True, slots=True)
class FaultRates:
    """How bad it is: the chance of each mishap, for each request or event, from 0 to 1."""

    refused: float = 0.0
    start_refused: float = 0.0
    lost: float = 0.0
    slow: float = 0.0
    death: float = 0.0
    event_lost: float = 0.0
    event_doubled: float = 0.0
    event_late: float = 0.0
    operation_spoiled: float = 0.0
    """That an operation's address never tells anything, in calm neither."""
    row_hidden: float = 0.0
    power_state_hidden: float = 0.0
    longest_graph_lag: timedelta = timedelta()
    loses_evictions: bool = True


@dataclass(frozen=True, slots=True)
class Outage:
    """Requests of one kind are refused for everybody for a while."""

    request_kind: RequestKind
    begin: datetime
    end: datetime
    refusal: Refused


@dataclass(frozen=True, slots=True)
class SlowDown:
    """That Azure refused a start of this VM with ``Retry-After``: not before ``until``."""

    vm_key: str
    until: datetime


@dataclass(slots=True)
class Faults:
    """Decides how each request and each event fares; counts what it did. ``is_calm``: nothing goes wrong any more."""

    rates: FaultRates
    chance: Random
    outages: list[Outage] = field(default_factory=list)
    logins_out: list[tuple[datetime, datetime]] = field(default_factory=list)
    """From when to when nobody gives tokens: whatever is asked, nothing is sent."""
    stuck: dict[str, Refused] = field(default_factory=dict)
    """By the VM's key: what each of its starts is refused with."""
    untold_at: datetime | None = None
    """When the topic did last not take at once what was told."""
    is_calm: bool = False
    injected: int = 0
    starts: list[tuple[datetime, str]] = field(default_factory=list)
    """Every start request that left the app, with its time and VM."""
    reads: list[tuple[datetime, str]] = field(default_factory=list)
    """Every read of a VM that ARM answered, with its time and VM."""
    as_a_resize_leaves: Callable[[str], None] = lambda _vm_key: None
    """Called with the VM's key for each request for another size, between the look that it rests on and its arrival."""
    spoiled: dict[str, Refused | None] = field(default_factory=dict)
    """By operation, what its address answers for ever; ``None`` where it tells the truth."""
    asked_to_slow_down: dict[asyncio.Task[None] | None, SlowDown] = field(default_factory=dict)
    """By the task that heard it, as long as nothing else went wrong for that: it is noted when the task is done."""
    _now: Callable[[], datetime] = lambda: datetime.max.replace(tzinfo=UTC)

    def tell_time_by(self, clock: VirtualClock) -> None:
        """Take the clock that the world goes by."""
        self._now = clock.now

    def of(self, request_kind: RequestKind, target: str) -> Fate:
        """Say how a request fares."""
        before = self.injected
        fate = self._fate(request_kind, target.lower())
        if request_kind is RequestKind.OPERATION_READ and (spoiled := self._spoiled(target)):
            fate = replace(fate, refusal=spoiled)
        if request_kind is RequestKind.OUTCOME and (self.injected > before or fate.seconds >= 1):
            self.untold_at = self._now()
        if self.injected > before:
            self.asked_to_slow_down.pop(asyncio.current_task(), None)
        if request_kind is RequestKind.VM_START and fate.death is not Death.BEFORE and fate.arrives and fate.has_token:
            self.starts.append((self._now(), target.lower()))
            self._note_retry_after(fate, target.lower())
        if request_kind is RequestKind.VM_READ and fate.reaches_azure:
            self.reads.append((self._now() + timedelta(seconds=fate.seconds), target.lower()))
        if request_kind is RequestKind.VM_RESIZE:
            self.as_a_resize_leaves(target.lower())
        return fate

    def _note_retry_after(self, fate: Fate, vm_key: str) -> None:
        seconds = fate.refusal.headers.get("Retry-After") if fate.refusal else None
        if seconds:
            until = self._now() + timedelta(seconds=fate.seconds + int(seconds))
            self.asked_to_slow_down[asyncio.current_task()] = SlowDown(vm_key, until)

    def _spoiled(self, operation_id: str) -> Refused | None:
        if operation_id not in self.spoiled:
            is_spoiled = self._strikes(self.rates.operation_spoiled)
            self.spoiled[operation_id] = (
                self.chance.choice(REFUSALS[RequestKind.OPERATION_READ]) if is_spoiled else None
            )
        return self.spoiled[operation_id]

    def graph_lag(self) -> timedelta:
        """Say how old the graph's answer is."""
        return timedelta() if self.is_calm else self.rates.longest_graph_lag * self.chance.random()

    def hides_row(self, _vm_id: str) -> bool:
        """Whether the graph does not show a VM."""
        return self._strikes(self.rates.row_hidden)

    def hides_power_state(self, _vm_id: str) -> bool:
        """Whether ARM does not tell a power state."""
        return self._strikes(self.rates.power_state_hidden)

    def delays(self, happening: Happening) -> Sequence[timedelta]:
        """Say how an event fares."""
        prompt = timedelta(seconds=self.chance.uniform(0.2, 3))
        if self.is_calm:
            return (prompt,)
        is_eviction = isinstance(happening, Annotated) and happening.annotation == "VirtualMachinePreempted"
        if (self.rates.loses_evictions or not is_eviction) and self._strikes(self.rates.event_lost):
            return ()
        first = self._late() if self._strikes(self.rates.event_late) else prompt
        return (first, first + self._late()) if self._strikes(self.rates.event_doubled) else (first,)

    def _late(self) -> timedelta:
        return timedelta(seconds=self.chance.choice((5, 40, 300, 1500)) * self.chance.random())

    def _fate(self, request_kind: RequestKind, target: str) -> Fate:
        seconds = self.chance.uniform(0.01, 0.3)
        if self.is_calm:
            return Fate(seconds)
        now = self._now()
        if any(begin <= now < end for begin, end in self.logins_out):
            self.injected += 1
            return Fate(seconds, has_token=False)
        if request_kind is RequestKind.VM_START and target in self.stuck:
            self.injected += 1
            return Fate(seconds, refusal=self.stuck[target])
        shut = next(
            (one for one in self.outages if one.request_kind is request_kind and one.begin <= now < one.end), None
        )
        if shut is not None:
            self.injected += 1
            return Fate(seconds, refusal=shut.refusal)
        if self._strikes(self.rates.slow):
            seconds = self.chance.uniform(1, 28)
        if self._strikes(self.rates.death):
            return Fate(seconds, death=self.chance.choice(list(Death)))
        if self._strikes(self.rates.lost):
            arrives = self.chance.random() < 0.5  # noqa: PLR2004 - as often as not
            return Fate(seconds, arrives=arrives, is_answered=False)
        is_bad = request_kind is RequestKind.VM_START and self._strikes(self.rates.start_refused)
        if is_bad or self._strikes(self.rates.refused):
            return Fate(seconds, refusal=self.chance.choice(REFUSALS[request_kind]))
        return Fate(seconds)

    def _strikes(self, chance: float) -> bool:
        if self.is_calm or self.chance.random() >= chance:
            return False
        self.injected += 1
        return True
