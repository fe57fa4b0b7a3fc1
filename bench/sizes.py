"""An outage of one size while others are free: the responder with and without them, and Instance Scheduler's rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bench.peers.scheduler import scheduler
from bench.report import Target, at_most
from bench.scenarios import MINUTE, SECOND, Scenario
from bench.stage import percentile, play_peer, play_responder
from spot_responder.decisions.policy import Policy

if TYPE_CHECKING:
    from bench.stage import Played

_PLENTY: Final = 100_000
OUT: Final = Scenario(
    "outage of one size for an hour, another one free",
    vms=60,
    evicted_within=50 * MINUTE,
    patience=4 * 60 * MINUTE,
    back_after=60 * MINUTE,
    back_per_minute=60,
    fallback={"Standard_D2as_v5": _PLENTY},
)
MASS: Final = Scenario(
    "mass eviction of 500, five other sizes with 100 places each",
    vms=500,
    evicted_within=10 * SECOND,
    patience=4 * 60 * MINUTE,
    back_after=60 * MINUTE,
    back_per_minute=60,
    fallback=dict.fromkeys(
        ("Standard_D2as_v5", "Standard_D2s_v4", "Standard_E2s_v5", "Standard_D4as_v5", "Standard_D4s_v5"), 100
    ),
)
_START_S: Final = 20.0
"""What a start takes in these scenarios, whether it comes up or fails."""


def figures() -> tuple[dict[str, Any], list[Target]]:
    """Play both scenarios; times are from the eviction until the VM runs."""
    opted_in = Policy(resizes=True)
    ours, waiting = play_responder(OUT, policy=opted_in), play_responder(OUT, name="responder, own size only")
    theirs = play_peer("Instance Scheduler's rule", scheduler, OUT)
    mass, their_mass = play_responder(MASS, policy=opted_in), play_peer("Instance Scheduler's rule", scheduler, MASS)
    own_waiting = percentile([each - _START_S * starts for each, starts in ours.back_after_s], 50)
    return {"virtual": [_row(each) for each in (ours, waiting, theirs, mass, their_mass)]}, [
        at_most("outage of one size, another free: back after, p50", _back(ours, 50), 90, " s"),
        at_most("outage of one size, another free: of that the app's own waiting, p50", own_waiting, 20, " s"),
        at_most("mass eviction of 500, other sizes: start calls for each VM", mass.start_calls / MASS.vms, 1.5),
        at_most("mass eviction of 500, other sizes: changes of size for each VM", mass.resize_calls / MASS.vms, 1.5),
    ]


def _row(played: Played) -> dict[str, Any]:
    return played.row() | {
        "back_p50_s": _back(played, 50),
        "back_p99_s": _back(played, 99),
        "resize_calls": played.resize_calls,
    }


def _back(played: Played, percent: int) -> float | None:
    return percentile([after for after, _ in played.back_after_s], percent)
