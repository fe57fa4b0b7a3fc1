"""What a recovery rests on: whether the VM was evicted, or its owner stopped it.

Azure shows an evicted VM as it shows a stopped one (docs/azure-facts.md arm-4), so each sign of an eviction or a stop
is kept with the time at which it happened, and all are weighed whenever a decision is due. The order in which they
arrive does not matter. Added to by ``responder/gather.py`` and read by the rules in ``decide.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, assert_never

from spot_responder.decisions.policy import NOTICE_HOLDS, START_PATIENCE
from spot_responder.intake.events import kind_of_annotation
from spot_responder.intake.signals import Signal, SignalKind, Source
from spot_responder.intake.vms import PowerState

if TYPE_CHECKING:
    from spot_responder.intake.vms import Annotation

WEAK_STOP_WINDOW: Final = timedelta(minutes=10)
"""How long after an eviction an annotation of a deallocation counts as part of it: whether Azure annotates evictions so
is not known (docs/azure-facts.md events-9)."""

FAILED_START_WINDOW: Final = timedelta(minutes=3)
"""How long after a start request an annotation of a stop counts as part of it: whether Azure annotates a failed start
so is not known either."""

CLOCK_FAST_BY: Final = timedelta(minutes=2)
"""How far the app's clock may be ahead of Azure's: an event dated up to this long before a start request may still
belong to it."""


STOP_IS_OVER_AFTER: Final = timedelta(minutes=10)
"""A VM that a look shows running so long after its owner's stop has been started again since: Azure shows a VM as going
down well before that (docs/azure-assumptions.md E11)."""

OWN_STOP_TAKES: Final = timedelta(minutes=10)
"""How long before Azure's event of it a VM that deallocates itself may have begun: the request, and the
deallocation."""


class Verdict(StrEnum):
    """What the evidence says: evicted, stopped by the owner, or unknown."""

    EVICTED = "evicted"
    STOPPED_BY_OWNER = "stopped by its owner"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The newest of each sign that was reported about one VM.

    ``stopped_firmly_at``: an ARM operation that a caller sent; ``stopped_by``: the caller's object id, where the event
    had one. ``stopped_weakly_at``: Resource Health reports it, or an ARM operation without a caller.
    ``starts_asked``: when the app asked for starts, within the last hour; the events that these cause say nothing about
    the owner.
    ``started_at``: the newest start by others that an annotation reported; an earlier stop is over. ``settled_at``: the
    VM is known to have run after everything up to then; older news that arrives later is ignored. ``own_stop_at``: the
    VM deallocated itself, since it had no work.
    ``noticed_at``: the VM's agent told of an eviction to come, and nobody proved it; ``seen_down_at``: when ARM showed
    the VM down after that. They count only where nothing else is known, and settle nothing.
    """

    evicted_at: datetime | None = None
    stopped_firmly_at: datetime | None = None
    stopped_weakly_at: datetime | None = None
    started_at: datetime | None = None
    settled_at: datetime | None = None
    starts_asked: tuple[datetime, ...] = ()
    noticed_at: datetime | None = None
    seen_down_at: datetime | None = None
    stopped_by: str | None = None
    own_stop_at: datetime | None = None

    def with_signal(self, signal: Signal) -> Evidence:
        """Add what a signal says; one without a time cannot be weighed, and is left out."""
        if signal.occurred_at is None:
            return self
        if signal.kind is SignalKind.STARTED:
            return self._with_start(signal.occurred_at, signal.source)
        firm = signal.source is Source.ARM_OPERATION and signal.has_caller
        after = self._with(signal.kind, signal.occurred_at, firm=firm)
        is_newest = after.stopped_firmly_at is not None and after.stopped_firmly_at != self.stopped_firmly_at
        return replace(after, stopped_by=signal.caller) if is_newest else after

    def with_annotation(self, annotation: Annotation | None) -> Evidence:
        """Add the newest health annotation that Resource Graph shows: the event about it may have been lost."""
        kind = kind_of_annotation(annotation.name) if annotation else None
        if annotation is None or kind is None:
            return self
        if kind is SignalKind.STARTED:
            return self._with_start(annotation.occurred_at, Source.HEALTH_ANNOTATION)
        return self._with(kind, annotation.occurred_at, firm=False)

    def with_look(self, power_state: PowerState, now: datetime) -> Evidence:
        """Add that ARM shows the VM down, where an agent told of that before."""
        is_down = power_state in {PowerState.DEALLOCATING, PowerState.DEALLOCATED}
        return replace(self, seen_down_at=now) if is_down and self.noticed_at and not self.seen_down_at else self

    def without_stop(self, at: datetime | None) -> Evidence:
        """Drop the stop of this time, which turned out to be none of its owner's."""
        return replace(
            self,
            stopped_firmly_at=None if self.stopped_firmly_at == at else self.stopped_firmly_at,
            stopped_weakly_at=None if self.stopped_weakly_at == at else self.stopped_weakly_at,
        )

    def with_own_stop(self, at: datetime) -> Evidence:
        """Add that the VM deallocated itself: Azure names it as the caller, in an event of this time.

        What was before that is over, for it ran then, and so is what was before the latest start before that. An
        annotation of that time tells of the same stop.
        """
        own_stop_at, ran_at = _newest(self.own_stop_at, at), at - OWN_STOP_TAKES
        if self.started_at and ran_at < self.started_at < at:
            ran_at = self.started_at
        added, weak = replace(self.settled(ran_at), own_stop_at=own_stop_at), self.stopped_weakly_at
        return replace(added, stopped_weakly_at=None) if weak and _is_of(own_stop_at, weak) else added

    def without_notice(self) -> Evidence:
        """Drop what an agent told, once the recovery is over that it was told for."""
        return replace(self, noticed_at=None, seen_down_at=None)

    def settled(self, at: datetime) -> Evidence:
        """Drop what happened up to ``at``: the VM is known to have run after it."""
        return replace(
            self,
            settled_at=_newest(self.settled_at, at),
            evicted_at=_if_after(self.evicted_at, at),
            stopped_firmly_at=_if_after(self.stopped_firmly_at, at),
            stopped_weakly_at=_if_after(self.stopped_weakly_at, at),
            starts_asked=tuple(time for time in self.starts_asked if time > at),
            noticed_at=_if_after(self.noticed_at, at),
            seen_down_at=_if_after(self.seen_down_at, at),
        )

    def seen_running(self, at: datetime) -> Evidence:
        """Drop the eviction, and an owner's stop of well before ``at``: a look shows the VM running then."""
        stops = (self.stopped_firmly_at, self.stopped_weakly_at)
        over = _newest(self.evicted_at, *(stop for stop in stops if stop and at - stop > STOP_IS_OVER_AFTER))
        # Up to Azure's own time, since the app's clock may differ.
        return self.settled(over) if over else self

    @property
    def verdict(self) -> Verdict:
        """Weigh it: an owner's stop counts if it came after the eviction; a weak one, only well after it.

        An agent's notice weighs less than any stop, whenever that was.
        """
        if self.stopped_firmly_at and (not self.evicted_at or self.stopped_firmly_at >= self.evicted_at):
            return Verdict.STOPPED_BY_OWNER
        weak, evicted = self.stopped_weakly_at, self.evicted_at
        if weak and (not evicted or weak > evicted + WEAK_STOP_WINDOW):
            return Verdict.STOPPED_BY_OWNER
        return Verdict.EVICTED if self.evicted_at or self.notice_came_true else Verdict.UNKNOWN

    def tells_of_its_own_stop(self, now: datetime) -> bool:
        """Whether it is known why the VM is down: it has just deallocated itself, and nobody else did."""
        is_new = self.own_stop_at is not None and now - self.own_stop_at <= OWN_STOP_TAKES
        return is_new and self.verdict is Verdict.UNKNOWN

    @property
    def notice_came_true(self) -> bool:
        """Whether ARM showed the VM down soon after its agent told of an eviction.

        The two times may be of different clocks: the VM's, and those of two of the app's instances.
        """
        noticed, down = self.noticed_at, self.seen_down_at
        return noticed is not None and down is not None and -CLOCK_FAST_BY <= down - noticed <= NOTICE_HOLDS

    @property
    def notice_lead(self) -> timedelta | None:
        """Give how long before it went down its agent told of it; ``None`` where either time is unknown."""
        down = self.evicted_at or self.seen_down_at
        if self.noticed_at is None or down is None or down < self.noticed_at:
            return None
        return down - self.noticed_at

    @property
    def owner_stopped_at(self) -> datetime | None:
        """When its owner stopped it, as far as was reported."""
        return _newest(self.stopped_firmly_at, self.stopped_weakly_at)

    def down_since(self, heard_at: datetime) -> datetime:
        """Give since when the VM is down: its eviction or the first signal (``heard_at``), whichever was earlier."""
        return min(heard_at, self.evicted_at or heard_at)

    def _with(self, kind: SignalKind, occurred_at: datetime, *, firm: bool) -> Evidence:
        if self.settled_at and occurred_at <= self.settled_at:
            return self
        if kind is SignalKind.STOPPED_BY_OWNER and self.started_at and occurred_at <= self.started_at:
            return self
        match kind:
            case SignalKind.EVICTED:
                return replace(self, evicted_at=_newest(self.evicted_at, occurred_at))
            case SignalKind.STOPPED_BY_OWNER if firm:
                return replace(self, stopped_firmly_at=_newest(self.stopped_firmly_at, occurred_at))
            case SignalKind.STOPPED_BY_OWNER if not (
                self._is_soon_after_our_start(occurred_at, FAILED_START_WINDOW) or _is_of(self.own_stop_at, occurred_at)
            ):
                return replace(self, stopped_weakly_at=_newest(self.stopped_weakly_at, occurred_at))
            case SignalKind.AGENT_NOTICED:
                # The first one counts until the recovery is over: others, forged ones too, change nothing.
                return self if self.noticed_at else replace(self, noticed_at=occurred_at)
            case SignalKind.STOPPED_BY_OWNER | SignalKind.STARTED | SignalKind.EVICTION_NOTICED:
                return self
            case SignalKind.AGENT_MAINTENANCE | SignalKind.WORKLOAD_READY | SignalKind.WORK_WAITS:
                return self
            case SignalKind.UNAVAILABLE | SignalKind.FOLLOW_UP | SignalKind.SWEEP_FOUND | SignalKind.OPERATOR_ASKED:
                return self
            case _:
                assert_never(kind)

    def _is_soon_after_our_start(self, occurred_at: datetime, window: timedelta) -> bool:
        """Whether one of the app's own start requests may have caused what happened then."""
        return any(asked_at - CLOCK_FAST_BY <= occurred_at <= asked_at + window for asked_at in self.starts_asked)

    def _with_start(self, occurred_at: datetime, source: Source) -> Evidence:
        """Add a start. One that follows a request of the app's was caused by it: an owner's stop still holds."""
        if self._is_soon_after_our_start(occurred_at, START_PATIENCE):
            return self
        if source in {Source.ARM_OPERATION, Source.AVAILABILITY_STATUS}:
            return self.settled(occurred_at)
        # The annotation reports a start that began: the owner's stop is over, but the VM may not run yet.
        return replace(
            self,
            started_at=_newest(self.started_at, occurred_at),
            stopped_firmly_at=_if_after(self.stopped_firmly_at, occurred_at),
            stopped_weakly_at=_if_after(self.stopped_weakly_at, occurred_at),
        )


def _is_of(own_stop_at: datetime | None, occurred_at: datetime) -> bool:
    """Whether what happened then is part of the VM's own stop."""
    return own_stop_at is not None and own_stop_at - OWN_STOP_TAKES <= occurred_at <= own_stop_at + CLOCK_FAST_BY


def _newest(*times: datetime | None) -> datetime | None:
    return max((time for time in times if time), default=None)


def _if_after(time: datetime | None, limit: datetime) -> datetime | None:
    return time if time and time > limit else None
