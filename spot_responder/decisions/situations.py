"""What a decision rests on (``Situation``), and what it can be (``Decision``). Pure.

``responder/gather.py`` makes situations, ``decide.py`` decides on them, ``responder/act.py`` carries the decisions out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from spot_responder.intake.signals import SignalKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from spot_responder.decisions.attempts import Attempt, WeighedSize
    from spot_responder.decisions.evidence import Evidence
    from spot_responder.decisions.outcomes import Outcome
    from spot_responder.decisions.pools import PoolGate
    from spot_responder.decisions.recoveries import Absence, Notice, Recovery
    from spot_responder.intake.azure_errors import Failure
    from spot_responder.intake.signals import Signal
    from spot_responder.intake.vms import Vm, VmId
    from spot_responder.offerings.fits import Fit


class OperationState(StrEnum):
    """What Azure says about the long-running operation behind an accepted start."""

    IN_PROGRESS = "in progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "in an unknown state"


@dataclass(frozen=True, slots=True)
class Operation:
    """The operation's state; ``failure`` is set where it failed."""

    state: OperationState
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class OfferedSize:
    """What is known of a size that a VM may come back as. ``spot_price``: in USD an hour, ``None`` where unknown."""

    size: str
    fit: Fit
    spot_price: float | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """Whether a VM's work queue asks for it, with the reason; ``None``: that is not known at the moment."""

    asks_for_it: bool | None
    reason: str


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a decision rests on.

    Attributes:
        kind: what made the app look at the VM.
        signal: the message that did. Nothing that acts needs it: ``None`` is for a reason that is no message.
        vm: what ARM says now, or Resource Graph where that decides alone (a VM that is not covered, or has just been
            evicted in a mass eviction). ``None`` says to ``decide`` that ARM answers that there is no such VM. To
            ``decide_in_the_pool_queue``, and in what ``unanswered.py`` makes, it says that the VM was not read.
        shown: what Resource Graph shows of a VM that ARM does not know; its rows can be hours old.
        absence: since when the VM is not found; ``None`` where ARM shows it.
        recovery: the row that is kept for the VM, open or closed; ``None`` where there is none.
        evidence: the row's evidence, with the signal and the newest annotation added.
        gate: the gate of the VM's pool, or of the pool that it would be in with ``size_considered``.
        size_considered: the size that the decision is about; ``""`` for the one that the VM has.
        heeds_pauses: an operator asked, and closed pools are to stay closed: another one may be open.
        offered: what is known of the sizes of its tag, by their names in lower case.
        weighed: what was thought of each size so far.
        operation: the state of the start that is under way, where Azure was asked for it.
        work: what its work queue asks for; of a VM that serves one only.
    """

    vm_id: VmId
    kind: SignalKind
    vm: Vm | None
    recovery: Recovery | None
    evidence: Evidence
    gate: PoolGate | None = None
    operation: Operation | None = None
    shown: Vm | None = None
    absence: Absence | None = None
    signal: Signal | None = None
    size_considered: str = ""
    heeds_pauses: bool = False
    offered: Mapping[str, OfferedSize] = field(default_factory=dict)
    weighed: tuple[WeighedSize, ...] = ()
    work: Work | None = None

    @property
    def open_recovery(self) -> Recovery | None:
        """The recovery, where it is open."""
        return self.recovery if self.recovery and self.recovery.is_open else None

    @property
    def is_asked_for_by_its_queue(self) -> bool:
        """Whether a look at its work queue raised this: that look has seen why the VM is down."""
        kinds = (self.kind, self.open_recovery.opened_by if self.open_recovery else None)
        return self.work is not None and SignalKind.WORK_WAITS in kinds

    @property
    def is_left_by_its_queue(self) -> bool:
        """Whether its work queue is known not to ask for it."""
        return self.work is not None and self.work.asks_for_it is False

    def ended(self, outcome: Outcome, reason: str, *, remember: bool = True) -> Close | Ignore:
        """Close the recovery where one is open; else ignore the signal."""
        return Close(outcome, reason) if self.open_recovery else Ignore(reason, remember)

    def obstacle_since(self, now: datetime) -> datetime:
        """Since when something that should pass within minutes is in the way: ``now`` where nothing was before."""
        return (self.open_recovery.obstacle_since if self.open_recovery else None) or now

    @property
    def attempt_under_way(self) -> Attempt | None:
        """The start request that Azure may still be working on."""
        return self.open_recovery.attempt_under_way if self.open_recovery else None

    def as_it_was_asked_for(self, vm: Vm) -> Vm:
        """Give the VM with the size that a request was about which failed: its owner may have set another since."""
        attempt = self.attempt_under_way
        size = (attempt.resize_to or attempt.size) if attempt and self.has_failed else ""
        return replace(vm, size=size) if size else vm

    @property
    def has_failed(self) -> bool:
        """Whether the operation behind the request under way has failed."""
        return self.operation is not None and self.operation.failure is not None


@dataclass(frozen=True, slots=True)
class Start:
    """Ask Azure to start the VM. ``gate`` is that of its pool, with the VM's place taken."""

    vm: Vm
    reason: str
    gate: PoolGate | None = None


@dataclass(frozen=True, slots=True)
class Resize:
    """Ask Azure to give the deallocated VM another size; a start follows.

    ``gate`` is that of the pool that it comes into, with its place taken.
    """

    vm: Vm
    size: str
    reason: str
    gate: PoolGate | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again at ``until``.

    ``failure``: why the start under way has failed, if it has. ``in_pool_queue``: the VM is queued in its pool;
    ``pool_has_closed``: since a start was refused there, not only because enough others are tried.
    ``keeps_from_size``: the reason is an obstacle to the size that was asked about, and no pool was asked.
    ``notice``: what somebody should know. ``obstacle_since``: since when the wait is for what should pass within
    minutes.
    """

    until: datetime
    reason: str
    failure: Failure | None = None
    gate: PoolGate | None = None
    in_pool_queue: bool = False
    pool_has_closed: bool = False
    keeps_from_size: bool = False
    notice: Notice | None = None
    obstacle_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """Close the recovery, with its outcome and the reason."""

    outcome: Outcome
    reason: str
    gate: PoolGate | None = None


@dataclass(frozen=True, slots=True)
class Ignore:
    """Do nothing: no recovery is open. ``remember`` what was reported, unless the VM is not covered."""

    reason: str
    remember: bool = True


@dataclass(frozen=True, slots=True)
class Requeue:
    """Put the message back, to be read again at ``until``: no recovery is open that could wait instead.

    ``unseen_since``: since when neither ARM nor Resource Graph shows its VM.
    """

    until: datetime
    reason: str
    unseen_since: datetime


type Decision = Start | Resize | Wait | Close | Ignore | Requeue
