"""How a VM stands towards its work queue: whether it serves it, will, might, or must be left alone. Pure.

Called by ``decide_demand.py`` for each VM of a look.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, assert_never

from spot_responder.decisions.evidence import Evidence, Verdict
from spot_responder.decisions.policy import INTENT_GRACE
from spot_responder.demand.looks import Doing
from spot_responder.demand.own_stops import CLOCKS_DIFFER, identity_of, without_own_stops
from spot_responder.intake.vms import PowerState

if TYPE_CHECKING:
    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.demand.looks import QueueVm, VmWatch, Word
    from spot_responder.intake.vms import Vm

WORD_WITHIN: Final = timedelta(minutes=10)
"""How long a VM may be up without a word of its workers. They write at least each minute while they are idle, and at
each renewal of a lease while they are busy; the first word comes after the boot."""

ASKED_HOLDS: Final = timedelta(minutes=2)
"""How long a VM that was asked for counts as coming up, whatever Resource Graph shows: the graph may be a minute old,
and the message that asks for it may wait."""

ASKS_AGAIN_WITHIN: Final = timedelta(minutes=30)
"""The longest pause between two asks for a VM that does not come up, and of which nothing says why."""

_DOUBLINGS: Final = 4

GOING_DOWN: Final = timedelta(seconds=30)
"""How long after its worker's last word a VM that stops itself is still left alone."""

SHOWN_AS_RUNNING: Final = timedelta(seconds=90)
"""How long Resource Graph may show a VM as running after its worker's last word, which was that it stops it."""

_STOPPED: Final = frozenset({PowerState.STOPPED, PowerState.STOPPING})
"""Down without being deallocated, so that it is billed; also where it never gets further than ``stopping``."""

OWN_STOPS_KEPT: Final = 5
"""How many of a VM's own stops are remembered, so that a late event about one is not taken for its owner's."""


class Standing(StrEnum):
    """How a VM stands towards its work queue."""

    SERVES = "serves"
    COMING = "coming up"
    HANGS = "starting for long"
    LEAVING = "going down"
    SILENT = "silent"
    SHUT_DOWN_INSIDE = "shut down from inside"
    UNCLEAR = "its power state is not known"
    WAITS = "waits for its start"
    HELD = "held by an operator"
    STOPPED_BY_OWNER = "stopped by its owner"
    ROW_IS_ODD = "with a row that cannot be read"
    JUST_DOWN = "just went down"
    ASKED_IN_VAIN = "asked for a moment ago, in vain"
    READY = "ready"

    @property
    def is_up(self) -> bool:
        """Whether it counts against ``maxVms``."""
        match self:
            case Standing.SERVES | Standing.COMING | Standing.HANGS | Standing.LEAVING | Standing.SILENT:
                return True
            case Standing.SHUT_DOWN_INSIDE | Standing.UNCLEAR:
                return True
            case Standing.WAITS | Standing.HELD | Standing.STOPPED_BY_OWNER | Standing.ROW_IS_ODD:
                return False
            case Standing.JUST_DOWN | Standing.ASKED_IN_VAIN | Standing.READY:
                return False
            case _:
                assert_never(self)

    @property
    def may_be_asked_for_still(self) -> bool:
        """Whether it is down, and a message that asks for it may be under way: its row does not forbid the start."""
        match self:
            case Standing.WAITS | Standing.JUST_DOWN | Standing.ASKED_IN_VAIN | Standing.READY:
                return True
            case Standing.HELD | Standing.STOPPED_BY_OWNER | Standing.ROW_IS_ODD:
                return False
            case Standing.SERVES | Standing.COMING | Standing.HANGS | Standing.LEAVING | Standing.SILENT:
                return False
            case Standing.SHUT_DOWN_INSIDE | Standing.UNCLEAR:
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
    noted = replace(before, own_stops=tuple(sorted(own_stops)[-OWN_STOPS_KEPT:]), left_out_since=None)
    state = queue_vm.vm.power_state
    if state is PowerState.DEALLOCATED:
        return replace(noted, up_since=None, stopped_since=None, idle_since=None)
    is_idle = bool(queue_vm.words) and not is_busy(queue_vm)
    return replace(
        noted,
        up_since=_up_since(queue_vm, before, now),
        seen_up_at=now,
        ran_at=now if state is PowerState.RUNNING else before.ran_at,
        stopped_since=(before.stopped_since or now) if state in _STOPPED else None,
        idle_since=(before.idle_since or now) if is_idle else None,
    )


def standing_of(queue_vm: QueueVm, watch: VmWatch, now: datetime) -> Standing:
    """Say how a VM stands, by what this look sees; ``watch``: with that noted."""
    match queue_vm.vm.power_state:
        case PowerState.RUNNING:
            return _of_a_running_vm(queue_vm, watch, now)
        case PowerState.STARTING | PowerState.CREATING:
            return Standing.HANGS if _lasts(watch, now) else Standing.COMING
        case PowerState.STOPPED:
            return Standing.SHUT_DOWN_INSIDE
        case PowerState.STOPPING | PowerState.DEALLOCATING:
            return _of_a_vm_that_is_down(queue_vm, watch, now) if _stops_itself(queue_vm, now) else Standing.LEAVING
        case PowerState.UNKNOWN:
            return Standing.HANGS if _lasts(watch, now) else Standing.UNCLEAR
        case PowerState.DEALLOCATED:
            return _of_a_vm_that_is_down(queue_vm, watch, now)
        case _:
            assert_never(queue_vm.vm.power_state)


def last_word(words: tuple[Word, ...]) -> datetime | None:
    """Give when a VM's workers wrote last."""
    return max((word.at for word in words), default=None)


def is_busy(queue_vm: QueueVm) -> bool:
    """Whether a worker of a VM has a job, by what was written last. The row of a slot that is gone stays for ever."""
    heard_at = last_word(queue_vm.words)
    return heard_at is not None and any(
        word.doing is Doing.BUSY for word in queue_vm.words if word.at >= heard_at - WORD_WITHIN
    )


def _lasts(watch: VmWatch, now: datetime) -> bool:
    return watch.up_since is not None and now - watch.up_since > WORD_WITHIN


def _up_since(queue_vm: QueueVm, before: VmWatch, now: datetime) -> datetime:
    came_up = queue_vm.recovery.came_up_at if queue_vm.recovery else None
    return max(before.up_since or now, came_up or before.up_since or now)


def _of_a_running_vm(queue_vm: QueueVm, watch: VmWatch, now: datetime) -> Standing:
    heard_at = last_word(queue_vm.words)
    since = max(time for time in (watch.up_since, heard_at, now - 2 * WORD_WITHIN) if time)
    if now - since > WORD_WITHIN:
        return Standing.SILENT
    if heard_at is None or now - heard_at > WORD_WITHIN or _is_of_an_earlier_run(heard_at, watch):
        return Standing.COMING
    if all(word.doing is Doing.STOPPING for word in queue_vm.words if word.at >= heard_at - WORD_WITHIN):
        # Later than that it runs indeed: its own stop was refused, or the word is not true.
        is_down = _stops_itself(queue_vm, now) and now - heard_at <= SHOWN_AS_RUNNING
        return _of_a_vm_that_is_down(queue_vm, watch, now) if is_down else Standing.LEAVING
    return Standing.SERVES


def _is_of_an_earlier_run(heard_at: datetime, watch: VmWatch) -> bool:
    return watch.up_since is not None and heard_at < watch.up_since - CLOCKS_DIFFER


def _stops_itself(queue_vm: QueueVm, now: datetime) -> bool:
    heard_at = last_word(queue_vm.words)
    newest = [word for word in queue_vm.words if word.at == heard_at]
    return any(word.stops_vm and now - word.at > GOING_DOWN for word in newest)


def _of_a_vm_that_is_down(queue_vm: QueueVm, watch: VmWatch, now: datetime) -> Standing:
    recovery = queue_vm.recovery
    if queue_vm.row_is_odd:
        return Standing.ROW_IS_ODD
    if recovery is not None and recovery.held_at is not None:
        return Standing.HELD
    if recovery is not None and recovery.is_open:
        return Standing.COMING if _is_on_its_way(recovery) else Standing.WAITS
    if recovery is not None and _is_its_owners_stop(queue_vm.vm, recovery.evidence, watch):
        return Standing.STOPPED_BY_OWNER
    if _was_evicted_since_it_came_up(recovery, watch):
        return Standing.READY
    if watch.asked_at is not None and now - watch.asked_at < ASKED_HOLDS:
        return Standing.COMING
    if _has_just_come_up(queue_vm, now):
        return Standing.COMING
    if _may_be_its_owners_stop(queue_vm, watch, now):
        return Standing.JUST_DOWN
    return Standing.ASKED_IN_VAIN if _was_asked_in_vain(watch, now) else Standing.READY


def _was_evicted_since_it_came_up(recovery: Recovery | None, watch: VmWatch) -> bool:
    """Whether it is known why it is down: the start that was asked for last was no failure, nor is it on its way."""
    came_up_at = recovery.came_up_at if recovery else None
    evicted_at = recovery.evidence.evicted_at if recovery else None
    if came_up_at is None or evicted_at is None or (watch.asked_at is not None and came_up_at < watch.asked_at):
        return False
    return evicted_at > came_up_at


def _has_just_come_up(queue_vm: QueueVm, now: datetime) -> bool:
    """Whether it runs though Resource Graph does not show it yet; not where its worker has stopped it since."""
    came_up = queue_vm.recovery.came_up_at if queue_vm.recovery else None
    heard_at = last_word(queue_vm.words)
    if came_up is None or now - came_up >= ASKED_HOLDS:
        return False
    return heard_at is None or heard_at <= came_up or not _stops_itself(queue_vm, now)


def _was_asked_in_vain(watch: VmWatch, now: datetime) -> bool:
    """Whether it is too soon to ask again for a VM that was asked for, and did not come up: each time later."""
    if watch.asked_at is None or not watch.asks_in_vain:
        return False
    pause = min(ASKED_HOLDS * float(2 ** min(watch.asks_in_vain - 1, _DOUBLINGS)), ASKS_AGAIN_WITHIN)
    return now - watch.asked_at < pause


def _is_its_owners_stop(vm: Vm, evidence: Evidence, watch: VmWatch) -> bool:
    theirs = without_own_stops(evidence, watch.own_stops, watch.ran_at, identity_of(vm))
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
    evidence = recovery.evidence if recovery else Evidence()
    is_evicted = evidence.evicted_at is not None and evidence.evicted_at > seen_up_at - WORD_WITHIN
    # Azure's own word for it does without the VM's clock, by which its worker wrote.
    is_own = evidence.own_stop_at is not None and evidence.own_stop_at > seen_up_at
    return not (is_evicted or is_own or _stops_itself(queue_vm, now))
