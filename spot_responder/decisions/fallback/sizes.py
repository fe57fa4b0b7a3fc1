"""Which sizes a VM may come back as, in which order, and what keeps it from one. Pure.

The first size that it had is tried first again at each recovery, then those of its tag in its owner's order. Called by
``decide.py`` and ``responder/sizes/fallback.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from spot_responder.decisions.attempts import SizeNotes
from spot_responder.decisions.policy import (
    KEPT_FOR_HOME,
    RESIZES_PER_DAY,
    RESIZES_PER_HOUR,
    RESIZES_REMEMBERED,
    STARTS_REMEMBERED,
)
from spot_responder.decisions.situations import OperationState
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


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What keeps a VM from a size, and when that may be over; ``None``: not by itself."""

    why: str
    until: datetime | None


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

    Only its own where nothing else may be tried, or where the VM does not wait for a start. What this recovery has not
    tried yet comes first, however short a pool's pause is. While the VM is being changed, the size that was asked for
    comes before all, for its place there is taken; unless its owner has taken that size off the tag meanwhile. A size
    that its owner gave it meanwhile comes before all others.
    """
    sizes, attempt = sizes_of(vm, situation.recovery, policy), situation.attempt
    if not sizes or vm.power_state is not PowerState.DEALLOCATED:
        return (vm.size,)
    if attempt is None:
        tried = {size.lower() for size in notes_of(situation.open_recovery).tried}
        return _each_once([*(size for size in sizes if size.lower() not in tried), *sizes, vm.size])
    if not attempt.resize_to:
        return (vm.size,)
    if has_owners_size(situation, vm):
        return _each_once([vm.size, *sizes])
    asked_for = (size for size in sizes if is_same(size, attempt.resize_to))
    return _each_once([*asked_for, *sizes, vm.size])


def has_owners_size(situation: Situation, vm: Vm) -> bool:
    """Whether its owner has set the VM's size since the app asked for another one."""
    attempt, operation = situation.attempt, situation.operation
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
    is_first = is_same(size, notes.first_of(vm.size))
    refusal = None if is_first and is_same(size, vm.size) else notes.refusal_of(size, now)
    if refusal is not None:
        return Obstacle(f"Azure refused it: {refusal.words}", refusal.until)
    if is_same(size, vm.size):
        return None
    if not is_first and (offered is None or not offered.fit.may_be_tried):
        findings = offered.fit.because if offered else ()
        return Obstacle("; ".join(each.told for each in findings) or "nothing is known of it", None)
    return _asked_too_often(notes, recovery, policy, now, is_first=is_first)


def notes_of(recovery: Recovery | None) -> SizeNotes:
    """Give what is kept of a VM's sizes."""
    return recovery.sizes if recovery else SizeNotes()


def _asked_too_often(
    notes: SizeNotes, recovery: Recovery | None, policy: Policy, now: datetime, *, is_first: bool
) -> Obstacle | None:
    kept = 0 if is_first else KEPT_FOR_HOME
    for within, most, what in (
        (timedelta(hours=1), RESIZES_PER_HOUR - kept, "an hour"),
        (RESIZES_REMEMBERED, RESIZES_PER_DAY - kept, "a day"),
    ):
        lately = [time for time in notes.resizes if now - time < within]
        if len(lately) >= most:
            why = f"its size was changed {count(len(lately), 'time')} within {what}, the most that is allowed"
            return Obstacle(why, lately[-most] + within)
    starts = recovery.starts_within_an_hour(now) if recovery else ()
    if len(starts) + 2 > policy.starts_per_hour:
        why = "its budget: a change of size and a start would be more requests than are allowed within an hour"
        return Obstacle(why, starts[0] + STARTS_REMEMBERED if starts else None)
    return None


def _each_once(sizes: Iterable[str]) -> tuple[str, ...]:
    """Give each size once, where it comes first and as it is spelled there."""
    once: dict[str, str] = {}
    for size in sizes:
        once.setdefault(size.lower(), size)
    return tuple(once.values())
