"""Says which sizes a VM may come back as, which were tried, which is next, and what each costs. Pure.

A part of an explanation. It tells what the app noted at its latest look: the command asks nothing. Called by
``operators/views/explanation.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spot_responder.decisions.fallback.sizes import is_same
from spot_responder.offerings.fallback_tag import read_fallback_sizes
from spot_responder.text import one_line

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.decisions.attempts import SizeNotes, WeighedSize
    from spot_responder.decisions.situations import Situation


def sizes_told(situation: Situation, now: datetime) -> tuple[str, ...]:
    """Say it in one sentence each; nothing of a VM whose owner did not ask for other sizes."""
    vm, row = situation.vm, situation.recovery
    if vm is None:
        return ()
    tag = read_fallback_sizes(vm.tags)
    if tag.problem:
        return (tag.problem,)
    if row is None or not tag.sizes:
        return ()
    notes = row.sizes
    told = [*_away(notes, vm.size)]
    if row.is_open and notes.tried:
        told.append(f"sizes tried in this recovery: {', '.join(notes.tried)}")
    told += [_weighed(each) for each in notes.weighed] if row.is_open else []
    told += [
        f"{each.size} is left out until {each.until:%Y-%m-%d %H:%M}Z, for Azure refused it: {one_line(each.words)}"
        for each in notes.unfit
        if now < each.until
    ]
    return tuple(told)


def _away(notes: SizeNotes, size_now: str) -> tuple[str, ...]:
    first = notes.first_of(size_now)
    if is_same(first, size_now):
        return ()
    return (f"it has the size {size_now}; its first one, {first}, is tried first at its next recovery",)


def _weighed(each: WeighedSize) -> str:
    price = f" ({each.price})" if each.price else ""
    return f"{each.size}{price}: {one_line(each.told)}"
