"""Requests to start a VM, or to change its size: what is known of each, and what came of it. Pure.

A recovery has its latest one; ``recoveries.py`` changes it, and ``responder/acting`` sends it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.policy import RESIZES_REMEMBERED

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.intake.azure_errors import Failure


NOT_ASKED: Final = "not looked at, for another one was to be tried"


class AttemptState(StrEnum):
    """What is known of one request."""

    ASKED = "asked"
    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request and what came of it.

    ``resize_to`` is the size that it asks for; ``""`` of a request to start the VM. ``size`` is the one that the VM had
    then: a start's refusal is about that size, whatever the owner has given the VM since; ``""`` in a row of an earlier
    release. ``number`` counts start requests. ``evicted_at``: the VM's newest eviction that was known then, by Azure's
    clock, which may be ahead of ours: this request answers it.
    ``operation_url`` is the address of Azure's long-running operation: signed, over 4 KB, to be kept whole and never
    logged (docs/azure-facts.md arm-6).
    """

    number: int
    asked_at: datetime
    state: AttemptState = AttemptState.ASKED
    operation_url: str | None = field(default=None, repr=False)
    failure: Failure | None = None
    resize_to: str = ""
    size: str = ""
    evicted_at: datetime | None = None

    def leaves_room_for(self, size_now: str) -> bool:
        """Whether the VM has a size that this change explains: the one before, or the one that is asked for."""
        return not self.size or size_now.lower() in {self.size.lower(), self.resize_to.lower()}

    @property
    def is_under_way(self) -> bool:
        """Whether Azure may still be working on it."""
        return self.state in {AttemptState.ASKED, AttemptState.ACCEPTED}


@dataclass(frozen=True, slots=True)
class UnfitSize:
    """A size that Azure refused for a VM, in its words, and until when it is not tried again."""

    size: str
    words: str
    until: datetime


@dataclass(frozen=True, slots=True)
class WeighedSize:
    """What was thought of a size at one look: why it is tried or not; ``price`` is "" where not looked up.

    ``at``: when that was, for it need not be so any more; ``None`` in a row of an earlier release.
    """

    size: str
    told: str
    price: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SizeNotes:
    """What is kept of a VM's sizes, where the app may change them. Sizes are compared without regard to case.

    Attributes:
        first: the size that it had before the app changed it for the first time; ``""`` where it never did.
        given: the sizes that it may have by the app's doing: the one that it had, and what was asked for since.
        resizes: when changes were asked for, within the last day.
        unfit: what Azure refused.
        tried: the sizes with which a start was refused in this recovery, for want of capacity or as unfit, in order.
        weighed: what was thought of each size at the latest look that asked about sizes.
        out: the sizes that had no capacity in this recovery, also of a VM that has one size only.
        of_vm: Azure's unique id of the VM whose size was changed; ``""`` where it never was, or ARM did not tell.
    """

    first: str = ""
    given: tuple[str, ...] = ()
    resizes: tuple[datetime, ...] = ()
    unfit: tuple[UnfitSize, ...] = ()
    tried: tuple[str, ...] = ()
    weighed: tuple[WeighedSize, ...] = ()
    out: tuple[str, ...] = ()
    of_vm: str = ""

    def about(self, unique_id: str) -> SizeNotes:
        """Give what of it is about this VM: nothing, where that was made anew under the name of the one before."""
        return SizeNotes() if self.of_vm and unique_id and self.of_vm.lower() != unique_id.lower() else self

    def first_of(self, size_now: str) -> str:
        """Give the VM's first size. One that neither it nor the app gave is the owner's new choice."""
        ours = {each.lower() for each in (self.first, *self.given)}
        return self.first if self.first and size_now.lower() in ours else size_now

    @property
    def is_away(self) -> bool:
        """Whether the VM may have another size than its first one, so that the first must be remembered."""
        return bool(self.given)

    def refusal_of(self, size: str, now: datetime) -> UnfitSize | None:
        """Give what Azure said of a size, as long as that counts."""
        return next((each for each in self.unfit if each.size.lower() == size.lower() and now < each.until), None)

    def asking_for(
        self, size: str, size_now: str, now: datetime, unanswered: str = "", unique_id: str = ""
    ) -> SizeNotes:
        """Note that a change of size is asked for. ``unanswered``: what an earlier request may still bring."""
        first = self.first_of(size_now)
        given = (unanswered,) if unanswered and first == self.first else ()
        lately = tuple(time for time in self.resizes if now - time < RESIZES_REMEMBERED)
        return replace(
            self,
            first=first,
            given=_added(_added(given, size_now), size),
            resizes=(*lately, now),
            of_vm=unique_id or self.of_vm,
        )

    def seen_as(self, size_now: str) -> SizeNotes:
        """Note a VM that is not being changed: what else it was given is over, and with its first size all of it."""
        if not self.given or size_now.lower() == self.first.lower():
            return replace(self, given=())
        return replace(self, given=tuple(each for each in self.given if each.lower() == size_now.lower()))

    def weighing(self, told: tuple[WeighedSize, ...], at: datetime) -> SizeNotes:
        """Note what a look thought of some sizes. Of the others only the price stays: no more of it need be so now.

        A look ends with the first size that may be tried, and does not ask for a price that it does not need.
        """
        before = {each.size.lower(): each for each in self.weighed}
        now = {each.size.lower(): each for each in told}
        prices = {key: each.price for key, each in before.items()}
        weighed = (now.get(key) or WeighedSize(each.size, NOT_ASKED) for key, each in {**before, **now}.items())
        return replace(
            self,
            weighed=tuple(
                replace(each, price=each.price or prices.get(each.size.lower(), ""), at=at) for each in weighed
            ),
        )

    def trying(self, size: str) -> SizeNotes:
        """Note that a start with a size was refused for want of capacity, or since Azure does not take the size."""
        return replace(self, tried=_added(self.tried, size))

    def without_capacity(self, size: str) -> SizeNotes:
        """Note that Azure had no capacity for a size; ``""`` where it is not known for which."""
        return replace(self, out=_added(self.out, size)) if size else self

    def refused(self, size: str, words: str, until: datetime) -> SizeNotes:
        """Mark a size as unfit."""
        others = tuple(each for each in self.unfit if each.size.lower() != size.lower())
        return replace(self, unfit=(*others, UnfitSize(size, words, until)))

    def not_given(self, size: str) -> SizeNotes:
        """Note that Azure did not get or take the request for a size: whoever gives the VM that size is not the app."""
        return replace(self, given=tuple(each for each in self.given if each.lower() != size.lower()))

    def for_the_next(self) -> SizeNotes:
        """Give what the VM's next recovery is to know."""
        return replace(self, tried=(), weighed=(), out=())


def _added(sizes: tuple[str, ...], size: str) -> tuple[str, ...]:
    return sizes if size.lower() in {each.lower() for each in sizes} else (*sizes, size)
