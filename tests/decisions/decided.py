"""What the tests of ``decide`` share: a decision at a time of the stories' day, and what it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spot_responder.decisions.decide import decide
from spot_responder.decisions.policy import Policy
from spot_responder.decisions.pools import PoolGate, pool_of
from spot_responder.intake.signals import SignalKind, Source
from spot_responder.intake.vms import PowerState
from tests.harness.makers import at, signal, spot_vm

if TYPE_CHECKING:
    from spot_responder.decisions.situations import Decision, Situation
    from spot_responder.intake.signals import Signal


POLICY = Policy()
FOLLOW_UP = signal(SignalKind.FOLLOW_UP, source=Source.FOLLOW_UP)
SWEEP = signal(SignalKind.SWEEP_FOUND, source=Source.SWEEP)
RUNNING = PowerState.RUNNING
CLOSED_POOL = PoolGate(pool_of(spot_vm()), refusals=3, closed_until=at("10:30"), width=1)


def decided(given: Situation, now: str = "10:00:05", policy: Policy = POLICY, jitter: float = 0.5) -> Decision:
    """Decide at a time of the stories' day."""
    return decide(given, policy, at(now), jitter)


def owner_stopped(clock: str) -> Signal:
    """Make the event of a deallocation that its owner sent."""
    return signal(SignalKind.STOPPED_BY_OWNER, at(clock), source=Source.ARM_OPERATION, has_caller=True)
