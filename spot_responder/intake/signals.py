"""A signal: a hint that a VM may need the app.

Events and the app's own messages are read into one by ``events.py``, what agents tell by ``agent_reports.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.intake.vms import VmId


class Inbox(StrEnum):
    """The queue that a message came from. From each only what may come into it is read: ``inboxes.py``.

    ``AGENTS``: what the agents in the VMs write. Queue messages carry no sender, so it is a hint, and proves nothing.
    """

    SIGNALS = "signals"
    AGENTS = "agents"


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
    AGENT_NOTICED = "agent_noticed"
    AGENT_MAINTENANCE = "agent_maintenance"
    WORKLOAD_READY = "workload_ready"
    WORK_WAITS = "work_waits"

    @property
    def is_event_of_azure(self) -> bool:
        """Whether it comes from an event of Azure, and not from the app, an operator or an agent."""
        match self:
            case SignalKind.EVICTED | SignalKind.EVICTION_NOTICED | SignalKind.UNAVAILABLE:
                return True
            case SignalKind.STOPPED_BY_OWNER | SignalKind.STARTED:
                return True
            case SignalKind.FOLLOW_UP | SignalKind.SWEEP_FOUND | SignalKind.OPERATOR_ASKED | SignalKind.WORK_WAITS:
                return False
            case SignalKind.AGENT_NOTICED | SignalKind.AGENT_MAINTENANCE | SignalKind.WORKLOAD_READY:
                return False
            case _:
                assert_never(self)

    @property
    def says_down_and_covered(self) -> bool:
        """Whether it reports a VM down that is likely covered: a recovery is opened even if the VM cannot be read."""
        match self:
            case SignalKind.EVICTED | SignalKind.SWEEP_FOUND:
                return True
            case SignalKind.FOLLOW_UP | SignalKind.OPERATOR_ASKED | SignalKind.EVICTION_NOTICED | SignalKind.WORK_WAITS:
                return False
            case SignalKind.UNAVAILABLE | SignalKind.STOPPED_BY_OWNER | SignalKind.STARTED:
                return False
            case SignalKind.AGENT_NOTICED | SignalKind.AGENT_MAINTENANCE | SignalKind.WORKLOAD_READY:
                return False
            case _:
                assert_never(self)

    @property
    def may_end_a_wait(self) -> bool:
        """Whether it can end a recovery whose VM is queued in its pool, so that the VM must be read."""
        match self:
            case SignalKind.FOLLOW_UP | SignalKind.EVICTED | SignalKind.UNAVAILABLE | SignalKind.WORK_WAITS:
                return False
            case SignalKind.STOPPED_BY_OWNER | SignalKind.STARTED | SignalKind.OPERATOR_ASKED:
                return True
            case SignalKind.EVICTION_NOTICED | SignalKind.SWEEP_FOUND:
                return True
            case SignalKind.AGENT_NOTICED | SignalKind.AGENT_MAINTENANCE | SignalKind.WORKLOAD_READY:
                return False
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
    WORK_QUEUE = "work_queue"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class AgentReport:
    """What an agent's message says beside its kind and its time.

    ``message_id`` is the same on each retry. ``is_late``: it tells of an earlier boot, since it could not be sent then.
    """

    message_id: str
    is_late: bool


@dataclass(frozen=True, slots=True)
class Signal:
    """A hint that a VM may need the app.

    ``occurred_at`` is in UTC, and ``None`` where the event does not say: CloudEvents need not carry a time, and an
    eviction without one is still an eviction. ``detail`` is Azure's own word (annotation, operation, state, event type;
    empty for the app's own messages). ``has_caller``: an ARM operation that names its caller; ``caller``: the id of
    that principal, as ``plain_guid`` gives it and never shown. ``sequence``: of a follow-up only. ``unseen_since``: the
    message was requeued then because neither ARM nor Resource Graph showed the VM. ``report``: of an agent's message.
    """

    vm_id: VmId
    kind: SignalKind
    occurred_at: datetime | None
    source: Source
    detail: str
    has_caller: bool = False
    sequence: int | None = None
    unseen_since: datetime | None = None
    report: AgentReport | None = None
    caller: str | None = field(default=None, repr=False)

    @property
    def inbox(self) -> Inbox:
        """The queue that it came from, and goes back to if it cannot be answered."""
        return Inbox.AGENTS if self.source is Source.AGENT else Inbox.SIGNALS

    @property
    def is_only_noted(self) -> bool:
        """Whether nothing is to be looked at for it: an agent tells of what is over, or of maintenance."""
        if self.report is None:
            return False
        return self.report.is_late or self.kind is not SignalKind.AGENT_NOTICED
