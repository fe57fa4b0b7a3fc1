"""An error answer of ARM, Compute or Resource Graph, read into a failure kind. Pure.

The code decides, not the HTTP status: a poll reports a failed allocation with status 200 (docs/azure-facts.md arm-1).
Called by ``clients/``; ``decisions/refused_starts.py`` decides how to go on after each kind.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, assert_never

from spot_responder.intake.payloads import field, text_field
from spot_responder.intake.retry_after import retry_after
from spot_responder.text import one_line, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta


NO_ANSWER: Final = "NoAnswer"
"""The code where Azure did not answer: the request may have been carried out all the same."""


OWN_PACE: Final = "OwnRateLimit"
"""The app's own code where a request was not sent, since Azure would have refused it as too many."""


ROW_CHANGED: Final = "RowChanged"
"""The app's own code where other workers changed the VM's row, or its pool's gate, at each try."""

UNREADABLE_ANSWER: Final = "UnreadableAnswer"
"""The app's own code where an answer cannot be read."""

SHOWED_NOTHING: Final = "StartShowedNothing"
"""The app's own code where a start that Azure accepted had no visible effect."""

NO_TOKEN: Final = "NoToken"  # noqa: S105 - a code, no secret
"""The app's own code where there was no token: nothing was sent, so it says nothing about rights."""


class FailureKind(StrEnum):
    """What a failure calls for; ``decisions/pauses.py`` has the delay for each kind."""

    CAPACITY = "capacity"
    PRICE = "price"
    QUOTA = "quota"
    THROTTLED = "throttled"
    CONFLICT = "conflict"
    GONE = "gone"
    DENIED = "denied"
    UNKNOWN = "unknown"

    @property
    def passes_soon(self) -> bool:
        """Whether it is over within minutes, so that an operator's retry would meet the same or be ignored."""
        match self:
            case FailureKind.THROTTLED | FailureKind.CONFLICT:
                return True
            case FailureKind.CAPACITY | FailureKind.PRICE | FailureKind.QUOTA | FailureKind.DENIED:
                return False
            case FailureKind.GONE | FailureKind.UNKNOWN:
                return False
            case _:
                assert_never(self)


@dataclass(frozen=True, slots=True)
class Failure:
    """A refusal: its kind, the code and message that decided it, and how long Azure asks to wait, if it does.

    ``code`` is Azure's own word, ``Http503`` where an answer has none, or one of the app's own codes above.
    """

    kind: FailureKind
    code: str
    message: str
    retry_after: timedelta | None

    @property
    def lacks_token(self) -> bool:
        """Whether nothing was sent, since there was no token."""
        return self.code == NO_TOKEN

    @property
    def asks_us_to_wait(self) -> bool:
        """Whether Azure does not want to be asked again soon, for this VM or for all."""
        return self.kind is FailureKind.THROTTLED or self.retry_after is not None

    @property
    def is_a_fault_in_azure(self) -> bool:
        """Whether Azure failed at it, and says nothing of the VM or its size: the same may go well in a minute."""
        return self.kind is FailureKind.UNKNOWN and _FAULT.fullmatch(self.code) is not None

    @property
    def is_contention(self) -> bool:
        """Whether only the app's own other work was in the way, which says nothing of Azure and is over in seconds."""
        return self.code in {OWN_PACE, ROW_CHANGED}

    @property
    def said(self) -> str:
        """Give code and message in Azure's own words."""
        return ": ".join(part for part in (self.code, self.message) if part)


_FAULT: Final = re.compile(
    r"(Networking)?Internal(Server|Execution|Operation)Error|Http5\d\d|\w*Time(d)?Out|ServiceUnavailable|BadGateway",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A code and its message somewhere in an answer; the deeper, the nearer to the root of the failure."""

    code: str
    message: str
    depth: int


@dataclass(frozen=True, slots=True)
class Row:
    """A rule. ``code`` is matched whole; ``message``, where not empty, is searched in all messages of the answer.

    ``own_message`` is searched in the message beside this code only: other parts may be about something else.
    """

    code: str
    message: str
    kind: FailureKind
    why: str
    vague: bool = False
    """Whether the code says little: any other known code in the answer outranks it, and so does any code further in."""
    own_message: str = ""

    def covers(self, entry: Entry, messages: str) -> bool:
        """Whether the rule is for this code, in an answer with these messages."""
        return bool(
            re.fullmatch(self.code, entry.code, re.IGNORECASE)
            and re.search(self.message, messages, re.IGNORECASE)
            and re.search(self.own_message, entry.message or messages, re.IGNORECASE)
        )


_K = FailureKind
_NOT_ALLOWED: Final = "OperationNotAllowed"  # means at least four things: docs/azure-facts.md arm-2
_QUOTA_WORDS: Final = r"low ?priority ?cores|cores quota|exceeding approved|quota increase|quota limit"
_BUSY_WORDS: Final = r"another operation is in progress|ongoing operation"
_LEAVES: Final = r"(on VM '[^']*' since (the VM|it)|virtual machine('s| '[^']*')?) is marked for deletion"

# Azure answers "not found" about disks, networks and others too. It means the VM where it names nothing at all, "the
# entity", the VM in words, or a VM's id before any other resource's.
_NOT_THERE: Final = r"((cannot be|could not be|was not|is not|not) found|does not exist|no longer exists)"
_THE_VM: Final = (
    rf"^\s*$|\bentity {_NOT_THERE}|^(the )?((requested |specified )?resource )?{_NOT_THERE}"
    rf"|^(the |source )?(virtual ?machine|vm)( '[^']+')?( specified in the request)? {_NOT_THERE}"
    r"|^(?:(?!microsoft\.)[\s\S])*microsoft\.compute/virtualmachines/[^/'\"\s]+(?![^'\"\s])"
)
_ANOTHER_RESOURCE: Final = r"microsoft\.\w+/\w+|availability set|\bimage\b|\bdisk\b|network interface|key ?vault"

# The codes of docs/azure-facts.md arm-8; docs/azure-assumptions.md C21 says which of them are only believed. The first
# row that covers a code decides what the code means.
ROWS: Final = (
    Row("(Zonal)?AllocationFailed", "", _K.CAPACITY, "no hardware is free now; it comes back, nobody knows when"),
    Row("Overconstrained(Zonal)?AllocationRequest", "", _K.CAPACITY, "none is free that meets the VM's constraints"),
    Row("SkuNotAvailable", "", _K.CAPACITY, "for Spot it also means: out of capacity"),
    Row("SpotPriceGreaterThanProvidedMaxPrice", "", _K.PRICE, "only a lower price or a higher limit helps"),
    Row(_NOT_ALLOWED, "too many requests", _K.THROTTLED, "Compute throttles under this code as well"),
    Row(_NOT_ALLOWED, _QUOTA_WORDS, _K.QUOTA, "only a free or a higher quota helps"),
    Row(_NOT_ALLOWED, _LEAVES, _K.GONE, "the VM is on its way out; images and extensions can be so as well"),
    Row(_NOT_ALLOWED, _BUSY_WORDS, _K.CONFLICT, "over in a minute; often it is the deallocation itself"),
    Row(_NOT_ALLOWED, "VM '[^']*' (since the VM )?is generalized", _K.DENIED, "such a VM never starts again"),
    Row("(Resource)?QuotaExceeded|PublicIPCountLimitReached", "", _K.QUOTA, "only a free or a higher quota helps"),
    Row("TooManyRequests|RateLimiting", "", _K.THROTTLED, "Compute and Resource Graph, also within an operation"),
    Row("(Resource|Subscription)RequestsThrottled", "", _K.THROTTLED, "ARM itself"),
    Row("AttachDiskWhileBeingDetached|AnotherOperationInProgress", "", _K.CONFLICT, "over in a minute or two"),
    Row("RetryableError.*|ResourceUpdateBlockedOnPlatformUpdate", "", _K.CONFLICT, "over in a minute or two"),
    Row("ConflictingConcurrentWriteNotAllowed", "", _K.CONFLICT, "somebody else changes the VM at this moment"),
    Row("ResourceGroupBeingDeleted", "", _K.CONFLICT, "until its group is gone, and the VM with it, or is not"),
    Row("OperationPreempted", "", _K.CONFLICT, "a newer operation took over: look again before any start"),
    Row("VMStartTimedOut", "", _K.UNKNOWN, "the VM may still start: look, do not start again at once"),
    Row("OSProvisioningTimedOut|VMExtension.*", "", _K.UNKNOWN, "says nothing about power: the VM may be running"),
    Row("ResourceNotFound", "", _K.GONE, "as after an eviction with policy Delete", own_message=_THE_VM),
    Row("(ResourceGroup|VM)NotFound", "", _K.GONE, "the VM itself, or all that was around it"),
    Row("(Parent)?ResourceNotFound", "", _K.DENIED, "what it rests on is gone", own_message=_ANOTHER_RESOURCE),
    Row("InvalidResourceReference|LinkedInvalidPropertyId", "", _K.DENIED, "what the VM rests on is not there"),
    Row("Subscription(NotFound|NotRegistered)|InvalidSubscriptionId", "", _K.DENIED, "not for us, or a wrong id"),
    Row("Missing(Subscription|Location)?Registration.*", "", _K.DENIED, "the subscription does not have Compute"),
    Row("InvalidSubscriptionRegistrationState", "", _K.DENIED, "the subscription does not have Compute"),
    Row("NoRegisteredProviderFound|InvalidResource(Type|Namespace)", "", _K.DENIED, "ARM does not know what we ask"),
    Row("InvalidApiVersionParameter", "", _K.DENIED, "ARM does not know how we ask: it needs another release of ours"),
    Row("(Linked)?AuthorizationFailed", "", _K.DENIED, "a role is missing, or takes minutes to arrive"),
    Row("InvalidAuthenticationToken.*", "", _K.DENIED, "the login is not for here"),
    Row("ScopeLocked|ReadOnlyDisabledSubscription|RequestDisallowedByPolicy", "", _K.DENIED, "its owner's lock"),
    Row("RegionDoesNotAllowProvisioning", "", _K.DENIED, "the subscription's configuration"),
    Row("KeyVault.*(Forbidden|Denied|NotFound|NotEnabled|Disabled|Expired)", "", _K.DENIED, "its disks stay locked"),
    Row("DiskEncryption(Set|Key).*", "", _K.DENIED, "its disks stay locked until the key is mended"),
    Row("StorageAccount(NotFound|NotRecognized|(Location|Subscription)Mismatch)", "", _K.DENIED, "no disk there"),
    Row("StorageAccount(TypeNotSupported|Limitation)", "", _K.DENIED, "the VM's configuration"),
    Row("(Disk|Image)BlobNotFound|DiskBlobAlreadyInUseByAnotherDisk", "", _K.DENIED, "no disk to start from"),
    Row("ConflictingUserInput|MaxPriceValueInvalid|InvalidParameter", "", _K.DENIED, "the VM's configuration"),
    Row("VMMarketplaceInvalidInput", "", _K.DENIED, "the VM's configuration: its plan"),
    Row("AzureSpotIsNotSupportedForThisVMSize", "", _K.DENIED, "the VM's configuration"),
    Row("AzureSpotFeatureNotEnabledForSubscription", "", _K.DENIED, "the subscription's configuration"),
    Row("NotFound", "", _K.GONE, "the short form of ResourceNotFound", vague=True, own_message=_THE_VM),
    Row("Conflict", "", _K.CONFLICT, "no more is said", vague=True),
    Row("Internal(Server|Execution|Operation)Error", "", _K.UNKNOWN, "a fault in Azure that passes", vague=True),
    Row("NetworkingInternalOperationError", "", _K.UNKNOWN, "a fault in Azure that passes", vague=True),
)
_ACCESS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
"""The HTTP statuses that mean denied access, whatever the code: somebody has to mend it."""

MESSAGE_CHARACTERS: Final = 500
_CODE_CHARACTERS: Final = 100
_MOST_DEPTH: Final = 64
_MOST_NODES: Final = 500
_ADDRESS: Final = re.compile(r"https?://\S+", re.IGNORECASE)


def classify(status: int | None, body: object, headers: Mapping[str, str]) -> Failure:
    """Say what an answer of Azure means. Never raises, whatever the body is.

    ``status``: of HTTP; ``None`` where no answer came (time-out, no connection). ``body``: as parsed, as text or bytes,
    with or without the ``error`` around it, or the answer of a poll. A throttled answer is throttled whatever its code;
    else the most telling known code decides, the innermost first (docs/azure-facts.md arm-7). An answer with an
    unlisted code is unknown, whatever its status: a permanent fault must not look like one that passes, or like a VM
    that is gone.
    """
    entries = sorted(_entries(body), key=lambda entry: -entry.depth)
    kind, entry = _decide(status, entries)
    code = entry.code if entry else NO_ANSWER if status is None else f"Http{status}"
    message = (entry.message if entry else "") or next((each.message for each in entries if each.message), "")
    return Failure(
        kind,
        shortened(_plain(code), _CODE_CHARACTERS),
        _plain(message),
        retry_after(headers, is_throttled=kind is FailureKind.THROTTLED),
    )


def no_token(cause: str) -> Failure:
    """Make the failure of a request that was not sent for lack of a token; ``cause`` says why there is none."""
    return Failure(FailureKind.DENIED, NO_TOKEN, _plain(cause), None)


def _decide(status: int | None, entries: list[Entry]) -> tuple[FailureKind, Entry | None]:
    """Give the kind, and the code that decided it; the innermost code where none is known."""
    messages = "\n".join(entry.message for entry in entries)
    coded = [entry for entry in entries if entry.code]
    known = [(row, entry) for entry in coded if (row := row_for(entry, messages))]
    innermost = next(iter(coded), None)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        throttled = (entry for row, entry in known if row.kind is FailureKind.THROTTLED)
        return FailureKind.THROTTLED, next(throttled, innermost)
    telling = [(row, entry) for row, entry in known if not row.vague or entry is innermost]
    if telling:
        row, entry = min(telling, key=lambda pair: pair[0].vague)
        return row.kind, entry
    if status in _ACCESS:
        return FailureKind.DENIED, innermost
    no_more_is_said = status == HTTPStatus.CONFLICT and innermost is None
    return FailureKind.CONFLICT if no_more_is_said else FailureKind.UNKNOWN, innermost


def row_for(entry: Entry, messages: str) -> Row | None:
    """Give the rule for a code, in an answer with these messages; ``None`` where the code is not listed."""
    return next((row for row in ROWS if row.covers(entry, messages)), None)


def _entries(body: object) -> Iterator[Entry]:
    """Walk through error, details, innererror and JSON within messages; bounded, since a body may hold anything."""
    waiting: deque[tuple[object, int]] = deque([(body, 0)])
    for _ in range(_MOST_NODES):
        if not waiting:
            return
        node, depth = waiting.popleft()
        value = _parsed(node)
        if isinstance(value, Mapping):
            code, message = text_field(value, "code"), text_field(value, "message")
            if code or message:
                yield Entry(code, message, depth)
            inner = [field(value, name) for name in ("error", "details", "innererror")]
            below = [*inner, *([message] if message[:1] in ("{", "[") else [])]
        elif isinstance(value, list):
            below = value
        else:
            below = []
            if isinstance(value, str) and value.strip() and depth == 0:
                yield Entry("", value, depth)
        if depth < _MOST_DEPTH:
            waiting.extend((each, depth + 1) for each in below[:_MOST_NODES])


def _parsed(node: object) -> object:
    """Parse JSON in a text or bytes, also where it was encoded twice; give the text itself where it is none."""
    value = node.decode("utf-8", "replace") if isinstance(node, bytes | bytearray) else node
    for _ in range(2):
        if not isinstance(value, str):
            break
        try:
            value = json.loads(value.removeprefix("\ufeff"))
        except (ValueError, RecursionError):
            break
    return value


def _plain(message: str) -> str:
    """Put a message on one line, without the signed addresses of operations, which are secrets and 4 KB long."""
    text = _ADDRESS.sub(lambda found: "(address left out)" if _is_operation(found[0]) else found[0], message)
    return shortened(one_line(text), MESSAGE_CHARACTERS)


def _is_operation(address: str) -> bool:
    return "?" in address or "/operation" in address.lower()
