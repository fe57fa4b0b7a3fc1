"""The third promise: the number of requests to Azure is bounded, "slow down" is obeyed, and no loop spins.

Called by ``promises.py``.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from localazure.virtual.compute import RESIZER
from soak.responder.seen import LOOK
from spot_responder.decisions.policy import RESIZES_PER_DAY, RESIZES_PER_HOUR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localazure.world.machines import Machine
    from soak.responder.seen import Seen

HOUR: Final = timedelta(hours=1)
MOST_STARTS_AN_HOUR: Final = 12
LARGE_BUDGET: Final = 60
"""``STARTS_PER_HOUR`` where all sizes are out: the usual one keeps a VM from more changes before their own limit."""

MOST_LOOKS_AN_HOUR: Final = 400
"""For each VM; some 240 are looks every 15 seconds."""

LOOKS_FOR_AN_OPERATOR: Final = 15
"""So many more for each time that an operator asked: of workers that save one row at once, each tries five times, and
each try leaves a follow-up, which is answered with one read of the row."""

MOST_FOLLOW_UPS: Final = 16
"""Valid ones of one VM on the queue at once: one, and what is left behind by crashes, by lost answers, and by workers
whose look another one's save has spoiled (five tries each). Besides, each event that is requeued because our tables
cannot be written leaves one (docs/promises.md §3)."""


def impolite(seen: Seen) -> Iterator[str]:
    """Say what was asked for too often or too soon."""
    busiest = most_starts_an_hour(seen)
    if busiest > _most_allowed(seen):
        yield f"polite: {busiest} starts of one VM within an hour"
    for machine in seen.azure.world.machines():
        yield from _resized_too_often(machine, seen)
    for key, count in seen.looks.items():
        asked = len(seen.asked.get(key.partition(" ")[0], ()))
        if count > MOST_LOOKS_AN_HOUR + LOOKS_FOR_AN_OPERATOR * asked:
            yield f"polite: {count} looks within one hour at {key}, where operators asked {asked} times"
    for key, count in seen.follow_ups.items():
        if count > MOST_FOLLOW_UPS + seen.returns[key]:
            yield f"polite: {count} follow-ups on the queue at once for {key}"
    yield from _asked_too_soon(seen)


def _most_allowed(seen: Seen) -> int:
    return LARGE_BUDGET if seen.deployment.policy.starts_per_hour == LARGE_BUDGET else MOST_STARTS_AN_HOUR


def most_starts_an_hour(seen: Seen) -> int:
    """Give the most starts of one VM within an hour, as the app measures it.

    It counts from decision, not from start, and the clocks of two instances may begin and end it.
    """
    window = HOUR - LOOK - seen.clocks_apart()
    times: dict[str, list[datetime]] = {}
    for at, vm_id in seen.faults.starts:
        times.setdefault(vm_id, []).append(at)
    return max((_most_within(window, each) for each in times.values()), default=0)


def _resized_too_often(machine: Machine, seen: Seen) -> Iterator[str]:
    """Say where a VM's size was changed more often than is promised, or with its starts more than the budget allows."""
    ours = [call.at for call in machine.resize_calls if call.caller == RESIZER]
    apart = LOOK + seen.clocks_apart()
    for within, most in ((HOUR, RESIZES_PER_HOUR), (24 * HOUR, RESIZES_PER_DAY)):
        count = _most_within(within - apart, list(ours))
        if count > most:
            yield f"polite: the size of {machine.name} was changed {count} times within {within}"
    together = _most_within(HOUR - apart, [*ours, *seen.starts_of(machine)])
    if together > _most_allowed(seen):
        yield f"polite: {together} starts and changes of size of {machine.name} within an hour"


def _most_within(window: timedelta, times: list[datetime]) -> int:
    times.sort()
    most, first = 0, 0
    for last, time in enumerate(times):
        while time - times[first] >= window:
            first += 1
        most = max(most, last - first + 1)
    return most


def _asked_too_soon(seen: Seen) -> Iterator[str]:
    patience = LOOK + seen.clocks_apart()
    for known_at, slow_down in seen.slow_downs:
        for at, vm_id in seen.faults.starts:
            if vm_id == slow_down.vm_key and known_at < at < slow_down.until - patience:
                not_before = f"{slow_down.until:%d %H:%M:%S}"
                yield f"polite: {vm_id} was asked for at {at:%d %H:%M:%S}, Azure had said not before {not_before}"
