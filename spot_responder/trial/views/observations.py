"""What a trial has seen, as it was seen. Filled by ``steps``, read by the judges. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from spot_responder.intake.azure_errors import Failure, classify
from spot_responder.intake.payloads import moment, text_field

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from spot_responder.intake.vms import PowerState

_BEST: Final = 300
_SERVER_ERROR: Final = 500
_THROTTLED: Final = 429
_PASSING: Final = frozenset({0, 408, _THROTTLED})
UNANSWERED: Final = ", without an answer"
"""So the tries of a request are called that got none: what was answered at last may not be what it did at first."""
LISTENER: Final = "spot-trial "
"""By this ``agent/spot_agent/commands/listen.py`` begins its lines."""


class Mark(StrEnum):
    """The moments that others are counted from."""

    CREATED = "the VM was asked for"
    EVICTION = "the eviction was asked for"
    EVICTED = "ARM showed the evicted VM as deallocated"
    STARTED = "the start was asked for"
    RUNS = "ARM showed the started VM as running"
    STOP = "the stop was asked for"
    STOPPED = "ARM showed the stopped VM as deallocated"
    END = "nothing was waited for any more"


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer of ARM, Resource Graph or storage. ``headers`` have names in lower case. ``status`` 0: no answer."""

    at: datetime
    method: str
    path: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    took_s: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether Azure did as it was asked."""
        return 0 < self.status < _BEST

    @property
    def provisioning_state(self) -> str:
        """How far the resource is that it shows, in lower case; ``""`` where it shows none."""
        return text_field(self.body, "properties", "provisioningState").lower()

    @property
    def is_provisioned(self) -> bool:
        """Whether it shows a resource that is there, and not one that is still being created, or has failed."""
        return self.is_good and self.provisioning_state in {"", "succeeded"}

    @property
    def tells_nothing(self) -> bool:
        """Whether it says nothing of how Azure is: no answer, too many requests, or an error on Azure's side."""
        return self.status in _PASSING or self.status >= _SERVER_ERROR

    @property
    def may_be_done(self) -> bool:
        """Whether nobody knows if Azure did it: there is no answer, one that came too late, or an error in Azure."""
        return self.tells_nothing and self.status != _THROTTLED

    @property
    def was_refused(self) -> bool:
        """Whether Azure has refused it, and did nothing."""
        return not self.is_good and not self.may_be_done

    @property
    def asked_pause_s(self) -> float:
        """How many seconds Azure wants to be left alone; 0 where it does not say."""
        pause = self.failure.retry_after
        return pause.total_seconds() if pause else 0.0

    @property
    def failure(self) -> Failure:
        """Say what the app makes of it."""
        return classify(self.status or None, self.body, self.headers)

    @property
    def rows(self) -> list[Mapping[str, object]]:
        """Give the rows that Resource Graph answered with."""
        data = self.body.get("data") if isinstance(self.body, dict) else None
        return [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []

    def told(self) -> str:
        """Say it, with Azure's whole message: whoever writes it down redacts it first, and cuts it after that."""
        return f"{self.status}" if self.is_good else f"{self.status or 'no answer'} {self.failure.said}".strip()


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message of the witness queue, as it lay there. ``at``: when storage took it."""

    at: datetime
    raw: str
    event: Mapping[str, object] | None
    """The event in it, if it can be read."""

    @property
    def occurred_at(self) -> datetime | None:
        """When it happened, by the event: what Resource Health says, else the envelope."""
        told = text_field(self.event, "data", "resourceInfo", "properties", "occurredTime")
        return moment(told) or moment(text_field(self.event, "time") or text_field(self.event, "eventTime"))

    @property
    def annotation(self) -> str:
        """The annotation's name; ``""`` where it is no annotation."""
        return text_field(self.event, "data", "resourceInfo", "properties", "annotationName")

    @property
    def availability(self) -> str:
        """The availability state; ``""`` where it is no such event."""
        return text_field(self.event, "data", "resourceInfo", "properties", "availabilityState")

    @property
    def operation(self) -> str:
        """The operation's name in lower case; ``""`` where it is none of ARM."""
        return text_field(self.event, "data", "operationName").lower()


@dataclass(frozen=True, slots=True)
class Sample:
    """A power state that was shown. ``state`` ``None``: the VM was not; ``UNKNOWN``: it was, without a power state."""

    at: datetime
    state: PowerState | None


@dataclass(frozen=True, slots=True)
class Shown:
    """What Resource Graph showed of a VM of a fleet. ``annotation``: the newest one, ``""`` where there is none."""

    at: datetime
    vm: str
    state: PowerState
    annotation: str
    annotated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Heard:
    """A line that the listener inside the VM printed. ``at``: by the VM's clock; ``boot``: the id of that boot."""

    at: datetime
    boot: str
    what: str
    told: Mapping[str, object]
    line: str


def heard_in(log: str) -> list[Heard]:
    """Read the listener's lines of a serial log; what the kernel wrote into the middle of one is left out."""
    found = []
    for each in log.splitlines():
        _, mark, line = each.partition(LISTENER)
        try:
            told = json.loads(line) if mark else None
        except ValueError:
            continue
        at = moment(text_field(told, "at"))
        if isinstance(told, dict) and at is not None:
            found.append(Heard(at, text_field(told, "boot"), text_field(told, "what"), told, line))
    return found


@dataclass(slots=True)
class Observations:
    """Everything that was seen. ``endpoint``: ARM's address. ``missed``: what was not done, and why."""

    endpoint: str
    vm_id: str = ""
    location: str = ""
    size: str = ""
    other_size: str = ""
    """One that the VM can have too."""
    answers: dict[str, list[Answered]] = field(default_factory=dict)
    arrived: list[Arrived] = field(default_factory=list)
    drained_at: datetime | None = None
    """When the witness queue was emptied last: what had not arrived by then, and is to have, did not come."""
    powers: list[Sample] = field(default_factory=list)
    shown: list[Sample] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    fleet: list[Shown] = field(default_factory=list)
    """What was shown of VMs that a trial only watches: each change, in its order."""
    marks: dict[Mark, datetime] = field(default_factory=dict)
    missed: dict[str, str] = field(default_factory=dict)
    endpoints: dict[str, str] = field(default_factory=dict)
    """Where the trial's storage account is, by service."""

    def first(self, name: str) -> Answered | None:
        """Give the first answer to a request of this name."""
        return next(iter(self.answers.get(name, [])), None)

    def last(self, name: str) -> Answered | None:
        """Give the last answer to a request of this name."""
        return next(reversed(self.answers.get(name, [])), None)

    def hear(self, log: str) -> None:
        """Add what a serial log has that was not heard yet."""
        known = {each.line for each in self.heard}
        self.heard.extend(each for each in heard_in(log) if each.line not in known)

    def show(self, shown: Shown) -> None:
        """Note what was shown of a VM, if it is other than before."""
        before = next((each for each in reversed(self.fleet) if each.vm == shown.vm), None)
        if before is None or replace(before, at=shown.at) != shown:
            self.fleet.append(shown)

    def state(self) -> PowerState | None:
        """Give the power state that ARM showed last."""
        return self.powers[-1].state if self.powers else None

    def events(self, after: Mark, before: Mark | None = None) -> list[Arrived]:
        """Give the events that happened after one moment and before another, oldest first.

        They may arrive later, and be dated to the second: half a second is granted before.
        """
        start, end = self.marks.get(after), self.marks.get(before) if before else None
        if start is None:
            return []
        dated = [(each.occurred_at or each.at, each) for each in self.arrived]
        since = start - timedelta(seconds=0.5)
        return [each for at, each in sorted(dated, key=lambda one: one[0]) if at >= since and (end is None or at < end)]
