"""Why a recovery was closed. Pure; ``decide.py`` chooses it, and history, events and commands show it."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never


class Outcome(StrEnum):
    """Why a recovery was closed."""

    RESTORED = "restored"
    STOPPED_BY_OWNER = "stopped-by-owner"
    GONE = "gone"
    OPTED_OUT = "opted-out"
    NOT_SPOT = "not-spot"
    OWNED_BY_SCALE_SET = "owned-by-scale-set"
    SHUT_DOWN_INSIDE = "shut-down-inside"
    NOT_EVICTED = "not-evicted"
    RUNS_WITHOUT_US = "runs-without-us"
    STARTED_FOR_WORK = "started-for-work"
    NO_WORK = "no-work"

    @property
    def is_up(self) -> bool:
        """Whether the VM ran when the recovery was closed."""
        match self:
            case Outcome.RESTORED | Outcome.RUNS_WITHOUT_US | Outcome.STARTED_FOR_WORK:
                return True
            case Outcome.STOPPED_BY_OWNER | Outcome.GONE | Outcome.SHUT_DOWN_INSIDE | Outcome.NOT_EVICTED:
                return False
            case Outcome.NO_WORK:
                return False
            case Outcome.OPTED_OUT | Outcome.NOT_SPOT | Outcome.OWNED_BY_SCALE_SET:
                return False
            case _:
                assert_never(self)

    @property
    def is_not_covered(self) -> bool:
        """Whether the VM is none of those that the app brings back."""
        match self:
            case Outcome.OPTED_OUT | Outcome.NOT_SPOT | Outcome.OWNED_BY_SCALE_SET:
                return True
            case (
                Outcome.RESTORED
                | Outcome.STOPPED_BY_OWNER
                | Outcome.GONE
                | Outcome.SHUT_DOWN_INSIDE
                | Outcome.NOT_EVICTED
                | Outcome.RUNS_WITHOUT_US
                | Outcome.STARTED_FOR_WORK
                | Outcome.NO_WORK
            ):
                return False
            case _:
                assert_never(self)

    @property
    def shows_an_eviction(self) -> bool:
        """Whether a recovery that ends so was one from an eviction, where nothing else is known of it."""
        match self:
            case Outcome.RESTORED | Outcome.GONE | Outcome.SHUT_DOWN_INSIDE:
                return True
            case Outcome.STOPPED_BY_OWNER | Outcome.NOT_EVICTED | Outcome.RUNS_WITHOUT_US:
                return False
            case Outcome.STARTED_FOR_WORK | Outcome.NO_WORK:
                return False
            case Outcome.OPTED_OUT | Outcome.NOT_SPOT | Outcome.OWNED_BY_SCALE_SET:
                return False
            case _:
                assert_never(self)
