"""Which sizes a VM may come back as, in which order, and what keeps it from one. Pure.

The first size that it had is tried first again at each recovery, then those of its tag in its owner's order. Called by
``decide.py`` and ``responder/sizes/fallback.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.attempts import SizeNotes
from spot_responder.decisions.policy import (
    KEPT_FOR_HOME,
    RESIZES_PER_DAY,
    RESIZES_PER_HOUR,
    RESIZES_REMEMBERED,
    STARTS_REMEMBERED,
)
from spot_responder.decisions.situations import OperationState
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.vms import PowerState
from spot_responder.offerings.fallback_tag import read_fallback_sizes
from spot_responder.text import count

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from spot_responder.decisions.policy import Policy
    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.decisions.situations import OfferedSize, Situation
    from spot_responder.intake.vms import Vm


_A_CHANGE: Final = 2
"""How many requests a change of size costs: itself, and the start that follows."""


_SAY_NOTHING_OF_A_SIZE: Final = frozenset({FailureKind.THROTTLED, FailureKind.CONFLICT})


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What keeps a VM from a size, and when that may be over; ``None``: not by itself."""

    why: str
    until: datetime | None

    @property
    def told(self) -> str:
        """Say both."""
        return f"{self.why}; until {self.until:%Y-%m-%d %H:%M}Z" if self.until else self.why


def is_same(one: str, other: str) -> bool:
    """Whether two sizes are one: Azure does not spell them alike everywhere."""
    return one.lower() == other.lower()


def sizes_of(vm: Vm, recovery: Recovery | None, policy: Policy) -> tuple[str, ...]:
    """Give the sizes that a VM may come back as, its first one first; none where nothing but its own may be tried.

    Only a Spot VM: what is compared of a size is what matters for Spot.
    """
    named = read_fallback_sizes(vm.tags).sizes if policy.resizes and vm.is_spot else ()
    return _each_once([notes_of(recovery).first_of(vm.size), *named]) if named else ()


def asks_in_vain(vm: Vm, policy: Policy) -> bool:
    """Whether its owner names other sizes while the app may change none."""
    return vm.is_spot and not policy.resizes and bool(read_fallback_sizes(vm.tags).sizes)


def order_of(situation: Situation, vm: Vm, policy: Policy) -> tuple[str, ...]:
    """Give the sizes whose pools are asked, one after the other, until one admits the VM.

    Only its own where nothing else may be tried, or where the VM does not wait for a start; only the one that was asked
    for where that has failed, for the refusal is its pool's. What this recovery has not tried yet comes first, however
    short a pool's pause is. While the VM is being changed, the size that was asked for comes before all, for its place
    there is taken; unless its owner has taken that size off the tag meanwhile. So does the size that it has where Azure
    did not even consider its start, and one that its owner gave it meanwhile.
    """
    sizes, attempt = sizes_of(vm, situation.recovery, policy), situation.attempt_under_way
    if vm.power_state is not PowerState.DEALLOCATED:
        return (vm.size,)
    if attempt is not None and attempt.resize_to and situation.has_failed:
        return (attempt.resize_to,)
    if not sizes:
        return (vm.size,)
    if attempt is None:
        not_considered = (size for size in sizes if _was_not_considered(size, vm, situation.open_recovery))
        untried = (size for size in sizes if not was_tried(size, situation.recovery))
        return _each_once([*not_considered, *untried, *sizes, vm.size])
    if not attempt.resize_to:
        return (vm.size,)
    if has_owners_size(situation, vm):
        return _each_once([vm.size, *sizes])
    asked_for = (size for size in sizes if is_same(size, attempt.resize_to))
    return _each_once([*asked_for, *sizes, vm.size])


def has_owners_size(situation: Situation, vm: Vm) -> bool:
    """Whether its owner has set the VM's size since the app asked for another one."""
    attempt, operation = situation.attempt_under_way, situation.operation
    if attempt is None or not attempt.resize_to or is_same(vm.size, attempt.resize_to):
        return False
    is_done = operation is not None and operation.state is OperationState.SUCCEEDED
    return is_done or not attempt.leaves_room_for(vm.size)


def obstacle(  # noqa: PLR0913, PLR0917 - all that such a judgement rests on
    size: str, offered: OfferedSize | None, vm: Vm, recovery: Recovery | None, policy: Policy, now: datetime
) -> Obstacle | None:
    """Say what keeps a VM from a size before any pool is asked. ``offered``: ``None`` of its first size, which it had.

    Its first size and the one that it has need no change that could be unfit; but what it has may have been refused.
    """
    notes = notes_of(recovery)
    is_known = is_same(size, vm.size) or is_same(size, notes.first_of(vm.size))
    is_unfit = not is_known and (offered is None or not offered.fit.may_be_tried)
    if is_unfit and _refusal(size, vm, notes, now) is None:
        findings = offered.fit.because if offered else ()
        return Obstacle("; ".join(each.told for each in findings) or "nothing is known of it", None)
    return known_obstacle(size, vm, recovery, policy, now)


def known_obstacle(size: str, vm: Vm, recovery: Recovery | None, policy: Policy, now: datetime) -> Obstacle | None:
    """Say what keeps a VM from a size by its row alone, whatever Azure offers."""
    refusal = _refusal(size, vm, notes_of(recovery), now)
    if refusal is not None or is_same(size, vm.size):
        return refusal
    return _asked_too_often(size, vm, recovery, policy, now)


def notes_of(recovery: Recovery | None) -> SizeNotes:
    """Give what is kept of a VM's sizes."""
    return recovery.sizes if recovery else SizeNotes()


def was_tried(size: str, recovery: Recovery | None) -> bool:
    """Whether a start with this size was refused in the recovery that is open: for want of capacity, or as unfit."""
    return recovery is not None and recovery.is_open and any(is_same(size, tried) for tried in recovery.sizes.tried)


def was_given(size: str, situation: Situation, vm: Vm, policy: Policy) -> bool:
    """Whether the VM was just changed to this size and not started yet, and its owner still names it.

    That change has cost a request; without a start it is lost, and so is the next one.
    """
    attempt = situation.attempt_under_way
    if attempt is None or not attempt.resize_to or not is_same(attempt.resize_to, size) or not is_same(vm.size, size):
        return False
    return any(is_same(size, each) for each in sizes_of(vm, situation.recovery, policy))


def _was_not_considered(size: str, vm: Vm, recovery: Recovery | None) -> bool:
    """Whether the VM's latest start, with the size that it has, was refused for a reason that says nothing of it."""
    attempt = recovery.attempt if recovery else None
    if attempt is None or attempt.failure is None or not is_same(attempt.size, size) or not is_same(vm.size, size):
        return False
    return attempt.failure.lacks_token or attempt.failure.kind in _SAY_NOTHING_OF_A_SIZE


def _refusal(size: str, vm: Vm, notes: SizeNotes, now: datetime) -> Obstacle | None:
    is_its_own = is_same(size, vm.size) and is_same(size, notes.first_of(vm.size))
    refusal = None if is_its_own else notes.refusal_of(size, now)
    return Obstacle(f"Azure refused it: {refusal.words}", refusal.until) if refusal else None


def _asked_too_often(size: str, vm: Vm, recovery: Recovery | None, policy: Policy, now: datetime) -> Obstacle | None:
    """Say whether a change now would be one too many.

    One is kept for the way back to the first size, with its start, but not from a size that was not tried yet: it may
    have capacity, and the first one was tried.
    """
    notes = notes_of(recovery)
    is_again = not is_same(size, notes.first_of(vm.size)) and was_tried(size, recovery)
    kept = KEPT_FOR_HOME if is_again else 0
    for within, most, what in (
        (timedelta(hours=1), RESIZES_PER_HOUR - kept, "an hour"),
        (RESIZES_REMEMBERED, RESIZES_PER_DAY - kept, "a day"),
    ):
        lately = [time for time in notes.resizes if now - time < within]
        if len(lately) >= most:
            back = ", for one more is kept for the way back to its first size" if kept else ""
            why = f"its size was changed {count(len(lately), 'time')} within {what}, the most that is allowed{back}"
            return Obstacle(why, lately[-most] + within)
    starts = recovery.starts_within_an_hour(now) if recovery else ()
    # A change and its start, and as many for the way back.
    too_many = len(starts) + _A_CHANGE * (1 + kept) - policy.starts_per_hour
    if too_many <= 0:
        return None
    back = ", and the same for the way back to its first size," if kept else ""
    why = f"its budget: a change of size and a start{back} would be more requests than are allowed within an hour"
    return Obstacle(why, starts[too_many - 1] + STARTS_REMEMBERED if too_many <= len(starts) else None)


def _each_once(sizes: Iterable[str]) -> tuple[str, ...]:
    """Give each size once, where it comes first and as it is spelled there."""
    once: dict[str, str] = {}
    for size in sizes:
        once.setdefault(size.lower(), size)
    return tuple(once.values())
