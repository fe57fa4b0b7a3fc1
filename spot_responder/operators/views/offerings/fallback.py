"""Says which sizes a VM may come back as, which were tried, what was thought of each, and what each costs. Pure.

A part of an explanation. It tells what the app noted at its latest look, with the time of that, as far as the tag names
the size now, and asks nothing. Called by ``operators/views/explanation.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spot_responder.decisions.fallback.sizes import asks_in_vain, is_same, known_obstacle, order_of, sizes_of
from spot_responder.intake.vms import PowerState
from spot_responder.offerings.fallback_tag import OFF, TURN_ON, read_fallback_sizes
from spot_responder.text import one_line

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.decisions.attempts import WeighedSize
    from spot_responder.decisions.policy import Policy
    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.decisions.situations import Situation
    from spot_responder.intake.vms import Vm


def sizes_told(situation: Situation, policy: Policy, now: datetime) -> tuple[str, ...]:
    """Say it in one sentence each; nothing of a VM whose owner did not ask for other sizes."""
    vm, row = situation.vm, situation.recovery
    if vm is None:
        return ()
    tag = read_fallback_sizes(vm.tags)
    if tag.problem:
        return (tag.problem,)
    off = (f"{OFF}: {TURN_ON}",) if asks_in_vain(vm, policy) else ()
    runs = _while_it_runs(situation, vm, policy)
    if row is None or not tag.sizes:
        return (*off, *runs)
    notes = row.sizes
    told = [*off, *runs, *_away(row, vm.size, is_off=bool(off))]
    if row.is_open and notes.tried:
        told.append(f"sizes tried in this recovery: {', '.join(notes.tried)}")
    told += _order(situation, vm, policy, now)
    may_be = {size.lower() for size in (*sizes_of(vm, row, policy), vm.size)}
    told += [_weighed(each) for each in notes.weighed if row.is_open and each.size.lower() in may_be]
    told += [
        f"{each.size} is left out until {each.until:%Y-%m-%d %H:%M}Z, for Azure refused it: {one_line(each.words)}"
        for each in notes.unfit
        if now < each.until and each.size.lower() in may_be
    ]
    return tuple(told)


def _while_it_runs(situation: Situation, vm: Vm, policy: Policy) -> tuple[str, ...]:
    """Say before an outage what its owner asked for; ``advice.py`` names the command that compares these sizes."""
    sizes = sizes_of(vm, situation.recovery, policy)
    if vm.power_state is not PowerState.RUNNING or situation.open_recovery or not sizes[1:]:
        return ()
    return (f"if {sizes[0]} is out of capacity after an eviction, it may come back as {', '.join(sizes[1:])}",)


def _away(row: Recovery, size_now: str, *, is_off: bool) -> tuple[str, ...]:
    first = row.sizes.first_of(size_now)
    if is_same(first, size_now):
        return ()
    # Within a recovery, the order of its sizes tells when the first one comes.
    then = "was" if is_off or row.is_open else "is tried first at its next recovery:"
    return (f"it has the size {size_now}; its first one {then} {first}",)


def _order(situation: Situation, vm: Vm, policy: Policy, now: datetime) -> list[str]:
    """Say which sizes may come next: at its next look each is asked about, until one may be tried.

    Those that a limit keeps it from at that time are told apart. What Azure refused is told anyway.
    """
    row = situation.open_recovery
    sizes = order_of(situation, vm, policy)
    if row is None or row.held_at or row.attempt_under_way or not sizes[1:]:
        return []
    then = max(now, row.wake_at or now)
    limits = {size: known_obstacle(size, vm, row, policy, then) for size in sizes}
    may_be = ", ".join(size for size in sizes if limits[size] is None)
    order = [f"at its next look its sizes are gone through in this order: {may_be}"] if may_be else []
    return order + [
        f"not {size}: {each.told}"
        for size, each in limits.items()
        if each is not None and row.sizes.refusal_of(size, then) is None
    ]


def _weighed(each: WeighedSize) -> str:
    price = f" ({each.price})" if each.price else ""
    when = f", at {each.at:%H:%M:%S}Z" if each.at else ", at the latest look"
    return f"{each.size}{price}{when}: {one_line(each.told)}"
