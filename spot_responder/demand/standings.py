"""How a VM stands towards its work queue: whether it serves it, will, might, or must be left alone. Pure.

Called by ``decide_demand.py`` for each VM of a look.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, assert_never

from spot_responder.decisions.evidence import Verdict
from spot_responder.decisions.policy import INTENT_GRACE
from spot_responder.demand.looks import Doing
from spot_responder.demand.own_stops import identity_of, without_own_stops
from spot_responder.intake.vms import PowerState

if TYPE_CHECKING:
    from spot_responder.decisions.evidence import Evidence
    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.demand.looks import QueueVm, VmWatch, Word
    from spot_responder.intake.vms import Vm

WORD_WITHIN: Final = timedelta(minutes=10)
"""How long a VM may be up without a word of its workers. They write at least each minute while they are idle, and at
each renewal of a lease while they are busy; the first word comes after the boot."""

ASKED_HOLDS: Final = timedelta(minutes=2)
"""How long a VM that was asked for counts as coming up, whatever Resource Graph shows: the graph may be a minute old,
and the message that asks for it may wait."""

GOING_DOWN: Final = timedelta(seconds=30)
"""How long after its worker's last word a VM that stops itself is still left alone."""

SHOWN_AS_RUNNING: Final = timedelta(minutes=3)
"""How long Resource Graph may show a VM as running after its worker's last word, which was that it stops it. After that
it runs indeed: its own stop was refused, or the word is not true."""

OWN_STOPS_KEPT: Final = 5
"""How many of a VM's own stops are remembered, so that a late event about one is not taken for its owner's."""


class Standing(StrEnum):
    """How a VM stands towards its work queue."""

    SERVES = "serves"
    COMING = "coming up"
    LEAVING = "going down"
    SILENT = "silent"
    SHUT_DOWN_INSIDE = "shut down from inside"
    UNCLEAR = "its power state is not known"
    WAITS = "waits for its start"
    HELD = "held by an operator"
    STOPPED_BY_OWNER = "stopped by its owner"
    JUST_DOWN = "just went down"
    READY = "ready"

    @property
    def is_up(self) -> bool:
        """Whether it counts against ``maxVms``."""
        match self:
            case Standing.SERVES | Standing.COMING | Standing.LEAVING | Standing.SILENT:
                return True
            case Standing.SHUT_DOWN_INSIDE | Standing.UNCLEAR:
                return True
            case Standing.WAITS | Standing.HELD | Standing.STOPPED_BY_OWNER | Standing.JUST_DOWN | Standing.READY:
                return False
            case _:
                assert_never(self)

    @property
    def will_work(self) -> bool:
        """Whether it takes jobs, or soon will. What is not known starts no other VM either."""
        return self in {Standing.SERVES, Standing.COMING, Standing.UNCLEAR}


def watched(queue_vm: QueueVm, before: VmWatch, now: datetime) -> VmWatch:
    """Note what this look sees of a VM."""
    own_stops = {word.at for word in queue_vm.words if word.stops_vm} | set(before.own_stops)
    noted = replace(before, own_stops=tuple(sorted(own_stops)[-OWN_STOPS_KEPT:]))
    if queue_vm.vm.power_state is PowerState.DEALLOCATED:
        return replace(noted, up_since=None, stopped_since=None, idle_since=None)
    is_stopped = queue_vm.vm.power_state is PowerState.STOPPED
    all_idle = bool(queue_vm.words) and all(word.doing is Doing.IDLE for word in queue_vm.words)
    return replace(
        noted,
        up_since=_up_since(queue_vm, before, now),
        seen_up_at=now,
        stopped_since=(before.stopped_since or now) if is_stopped else None,
        idle_since=(before.idle_since or now) if all_idle else None,
    )


def standing_of(queue_vm: QueueVm, watch: VmWatch, now: datetime) -> Standing:
    """Say how a VM stands, by what this look sees; ``watch``: with that noted."""
    match queue_vm.vm.power_state:
        case PowerState.RUNNING:
            return _of_a_running_vm(queue_vm, watch, now)
        case PowerState.STARTING | PowerState.CREATING:
            return Standing.COMING
        case PowerState.STOPPED:
            return Standing.SHUT_DOWN_INSIDE
        case PowerState.STOPPING | PowerState.DEALLOCATING:
            return _of_a_vm_that_is_down(queue_vm, watch, now) if _stops_itself(queue_vm, now) else Standing.LEAVING
        case PowerState.UNKNOWN:
            return Standing.UNCLEAR
        case PowerState.DEALLOCATED:
            return _of_a_vm_that_is_down(queue_vm, watch, now)
        case _:
            assert_never(queue_vm.vm.power_state)


def last_word(words: tuple[Word, ...]) -> datetime | None:
    """Give when a VM's workers wrote last."""
    return max((word.at for word in words), default=None)


def _up_since(queue_vm: QueueVm, before: VmWatch, now: datetime) -> datetime:
    restored = queue_vm.recovery
    came_up = restored.closed_at if restored and restored.outcome and restored.outcome.is_up else None
    return max(before.up_since or now, came_up or before.up_since or now)


def _of_a_running_vm(queue_vm: QueueVm, watch: VmWatch, now: datetime) -> Standing:
    heard_at = last_word(queue_vm.words)
    since = max(time for time in (watch.up_since, heard_at, now - 2 * WORD_WITHIN) if time)
    if now - since > WORD_WITHIN:
        return Standing.SILENT
    if heard_at is None or now - heard_at > WORD_WITHIN:
        return Standing.COMING
    if all(word.doing is Doing.STOPPING for word in queue_vm.words if word.at >= heard_at - WORD_WITHIN):
        is_down = _stops_itself(queue_vm, now) and now - heard_at <= SHOWN_AS_RUNNING
        return _of_a_vm_that_is_down(queue_vm, watch, now) if is_down else Standing.LEAVING
    return Standing.SERVES


def _stops_itself(queue_vm: QueueVm, now: datetime) -> bool:
    heard_at = last_word(queue_vm.words)
    newest = [word for word in queue_vm.words if word.at == heard_at]
    return any(word.stops_vm and now - word.at > GOING_DOWN for word in newest)


def _of_a_vm_that_is_down(queue_vm: QueueVm, watch: VmWatch, now: datetime) -> Standing:
    recovery = queue_vm.recovery
    if recovery is not None and recovery.held_at is not None:
        return Standing.HELD
    if recovery is not None and recovery.is_open:
        return Standing.COMING if _is_on_its_way(recovery) else Standing.WAITS
    if recovery is not None and _is_its_owners_stop(queue_vm.vm, recovery.evidence, watch):
        return Standing.STOPPED_BY_OWNER
    if watch.asked_at is not None and now - watch.asked_at < ASKED_HOLDS:
        return Standing.COMING
    return Standing.JUST_DOWN if _may_be_its_owners_stop(queue_vm, watch, now) else Standing.READY


def _is_its_owners_stop(vm: Vm, evidence: Evidence, watch: VmWatch) -> bool:
    theirs = without_own_stops(evidence, watch.own_stops, watch.seen_up_at, identity_of(vm))
    return theirs.verdict is Verdict.STOPPED_BY_OWNER


def _is_on_its_way(recovery: Recovery) -> bool:
    """Whether the recovery goes on: nothing refused the start, and nothing holds it back."""
    if recovery.attempt_under_way is not None:
        return True
    return recovery.failures.kind is None and recovery.notice is None and recovery.seen_queued_at is None


def _may_be_its_owners_stop(queue_vm: QueueVm, watch: VmWatch, now: datetime) -> bool:
    """Whether it went down a moment ago for no known reason: the event of its owner's stop may be on its way."""
    seen_up_at, recovery = watch.seen_up_at, queue_vm.recovery
    if seen_up_at is None or now - seen_up_at > INTENT_GRACE * 1.5:
        return False
    evicted_at = recovery.evidence.evicted_at if recovery else None
    is_evicted = evicted_at is not None and evicted_at > seen_up_at - WORD_WITHIN
    return not is_evicted and not _stops_itself(queue_vm, now)
