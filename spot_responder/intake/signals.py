"""A signal: a hint that a VM may need the app. Events and the app's own messages are read into one by ``events``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.intake.vms import VmId


class SignalKind(StrEnum):
    """What a signal says about its VM."""

    EVICTED = "evicted"
    EVICTION_NOTICED = "eviction_noticed"
    UNAVAILABLE = "unavailable"
    STOPPED_BY_OWNER = "stopped_by_owner"
    STARTED = "started"
    FOLLOW_UP = "follow_up"
    SWEEP_FOUND = "sweep_found"
    OPERATOR_ASKED = "operator_asked"

    @property
    def is_our_own(self) -> bool:
        """Whether it comes from the app or an operator, and not from an event of Azure."""
        match self:
            case SignalKind.FOLLOW_UP | SignalKind.SWEEP_FOUND | SignalKind.OPERATOR_ASKED:
                return True
            case SignalKind.EVICTED | SignalKind.EVICTION_NOTICED | SignalKind.UNAVAILABLE:
                return False
            case SignalKind.STOPPED_BY_OWNER | SignalKind.STARTED:
                return False
            case _:
                assert_never(self)

    @property
    def says_down_and_covered(self) -> bool:
        """Whether it reports a VM down that is likely covered: a recovery is opened even if the VM cannot be read."""
        match self:
            case SignalKind.EVICTED | SignalKind.SWEEP_FOUND:
                return True
            case SignalKind.FOLLOW_UP | SignalKind.OPERATOR_ASKED | SignalKind.EVICTION_NOTICED:
                return False
            case SignalKind.UNAVAILABLE | SignalKind.STOPPED_BY_OWNER | SignalKind.STARTED:
                return False
            case _:
                assert_never(self)

    @property
    def may_end_a_wait(self) -> bool:
        """Whether it can end a recovery whose VM is queued in its pool, so that the VM must be read."""
        match self:
            case SignalKind.FOLLOW_UP | SignalKind.EVICTED | SignalKind.UNAVAILABLE:
                return False
            case SignalKind.STOPPED_BY_OWNER | SignalKind.STARTED | SignalKind.OPERATOR_ASKED:
                return True
            case SignalKind.EVICTION_NOTICED | SignalKind.SWEEP_FOUND:
                return True
            case _:
                assert_never(self)


class Source(StrEnum):
    """Which kind of message a signal was read from."""

    HEALTH_ANNOTATION = "health_annotation"
    AVAILABILITY_STATUS = "availability_status"
    ARM_OPERATION = "arm_operation"
    SCHEDULED_EVENT = "scheduled_event"
    FOLLOW_UP = "follow_up"
    SWEEP = "sweep"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Signal:
    """A hint that a VM may need the app.

    ``occurred_at`` is in UTC, and ``None`` where the event does not say: CloudEvents need not carry a time, and an
    eviction without one is still an eviction. ``detail`` is Azure's own word (annotation, operation, state, event type;
    empty for the app's own messages). ``has_caller``: an ARM operation that names its caller. ``sequence``: of a
    follow-up only. ``unseen_since``: the message was requeued then because neither ARM nor Resource Graph showed the
    VM.
    """

    vm_id: VmId
    kind: SignalKind
    occurred_at: datetime | None
    source: Source
    detail: str
    has_caller: bool = False
    sequence: int | None = None
    unseen_since: datetime | None = None
