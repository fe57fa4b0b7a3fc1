"""What a trial says of a belief. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from spot_responder.trial.views.observations import Answered, Observations


class Verdict(StrEnum):
    """What was found."""

    HOLDS = "holds"
    DOES_NOT_HOLD = "does-not-hold"
    NOT_SEEN = "not-seen"


class Step(StrEnum):
    """The parts of a trial, in order."""

    READ = "read"
    OFFERINGS = "offerings"
    GROUP = "group"
    WITNESS = "witness"
    STORAGE = "storage"
    MACHINE = "machine"
    EVICTION = "eviction"
    STOP = "stop"
    REFUSALS = "refusals"
    QUOTA = "quota"

    @property
    def rests_on(self) -> tuple[Step, ...]:
        """The steps that must come before."""
        match self:
            case Step.READ | Step.OFFERINGS | Step.GROUP | Step.QUOTA:
                return ()
            case Step.WITNESS | Step.MACHINE:
                return (Step.GROUP,)
            case Step.STORAGE:
                return (Step.GROUP, Step.WITNESS)
            case Step.EVICTION | Step.STOP | Step.REFUSALS:
                return (Step.GROUP, Step.MACHINE)
            case _:
                assert_never(self)


@dataclass(frozen=True, slots=True)
class Found:
    """A verdict, how it was come by, and when it was seen. ``is_ours``: it says nothing of what Azure said."""

    verdict: Verdict
    how: str
    seen_at: datetime | None = None
    is_ours: bool = False


type Judge = Callable[[Observations], Found]


@dataclass(frozen=True, slots=True)
class Check:
    """How a belief is checked: by what is seen in these steps."""

    belief: str
    steps: tuple[Step, ...]
    judge: Judge


class Why(StrEnum):
    """Why a belief has no check."""

    CANNOT_BE_ORDERED = "cannot be ordered"
    TAKES_LONGER = "shows only in weeks of use"
    NEEDS_THE_APP = "needs the deployed app, which a trial does without"
    NEEDS_ANOTHER_LOGIN = "needs a login with fewer rights than a trial's"
    NOT_OF_AZURE = "is about a library or a tool, and tried here"
    NEEDS_A_PREVIEW = "needs a preview, for which a subscription is registered"
    NEEDS_MORE = "needs more than a trial creates"


@dataclass(frozen=True, slots=True)
class Unchecked:
    """A belief without a check."""

    belief: str
    why: Why
    instead: str
    """What to do instead, or what stands in the way."""


def holds(how: str, seen_at: datetime | None = None) -> Found:
    """Say that a belief holds."""
    return Found(Verdict.HOLDS, how, seen_at)


def fails(how: str, seen_at: datetime | None = None) -> Found:
    """Say that a belief does not hold."""
    return Found(Verdict.DOES_NOT_HOLD, how, seen_at)


def unseen(how: str) -> Found:
    """Say that nothing was seen that tells."""
    return Found(Verdict.NOT_SEEN, how)


def of(answer: Answered, how: str, *, right: bool) -> Found:
    """Say by an answer whether a belief holds; one that tells nothing says neither."""
    if answer.tells_nothing:
        return unseen(f"the answer tells nothing: {answer.told()}")
    return (holds if right else fails)(how, answer.at)
