"""What a VM's power state says: whether it is up, on its way, or stopped, and by whom. Pure.

``decide.py`` has these rules in its list, and those after them use the times of looks from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from spot_responder.decisions import pools
from spot_responder.decisions.evidence import Evidence, Verdict
from spot_responder.decisions.fallback.sizes import is_same
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import EVICTION_PATIENCE, NOTICE_HOLDS, START_PATIENCE, Policy
from spot_responder.decisions.situations import Close, Decision, Ignore, Situation, Wait
from spot_responder.intake.signals import SignalKind
from spot_responder.intake.vms import PowerState, Vm
from spot_responder.text import count, span

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.decisions.attempts import Attempt


def up_or_on_its_way(situation: Situation, vm: Vm, policy: Policy, now: datetime, _jitter: float) -> Decision | None:
    """Answer for a VM that is not deallocated: wait for what passes, or end its recovery."""
    match vm.power_state:
        case PowerState.RUNNING:
            return _running(situation, vm, policy, now)
        case PowerState.STOPPED:
            return _stopped_inside(situation, policy, now)
        case PowerState.STARTING | PowerState.CREATING:
            # Somebody is starting it, but the start may fail: only an open recovery remembers the eviction until then.
            if situation.open_recovery is None and situation.evidence.verdict is not Verdict.EVICTED:
                return Ignore(f"it is {vm.power_state}: somebody is starting it")
            return wait_until_it_passes(situation, f"it is {vm.power_state}", policy, now)
        case PowerState.DEALLOCATING | PowerState.STOPPING:
            if situation.evidence.verdict is Verdict.STOPPED_BY_OWNER or situation.is_left_by_its_queue:
                return None
            reason = f"it is still {vm.power_state}: it can be started when that is over"
            return wait_until_it_passes(situation, reason, policy, now)
        case PowerState.UNKNOWN:
            return wait_until_it_passes(situation, "Azure does not tell its power state at the moment", policy, now)
        case PowerState.DEALLOCATED:
            return None
        case _:
            assert_never(vm.power_state)


def _running(situation: Situation, vm: Vm, policy: Policy, now: datetime) -> Decision:
    if _eviction_is_fresh(situation, now):
        return Wait(
            next_look(situation, policy, now),
            "Azure told of an eviction, and it still runs: it may be about to go down",
        )
    if _notice_is_fresh(situation, now):
        reason = "its agent told of an eviction, and it still runs: it may be about to go down"
        return Wait(next_look(situation, policy, now), reason)
    recovery = situation.open_recovery
    if recovery is None:
        return Ignore("it runs")
    gate = pools.restored(situation.gate, vm.vm_id.key, now, policy) if situation.gate else None
    if not recovery.may_have_started_it:
        return Close(Outcome.RUNS_WITHOUT_US, "it runs: it did not go down after all, or somebody else started it")
    starts = count(recovery.attempts, "start request")
    down_for = span(now - situation.evidence.down_since(recovery.heard_down_at(situation.evidence)))
    first = recovery.sizes.first_of(vm.size)
    size = "" if is_same(first, vm.size) else f", as {vm.size} (its first size is {first})"
    if recovery.opened_by is SignalKind.WORK_WAITS and situation.evidence.verdict is not Verdict.EVICTED:
        return Close(Outcome.STARTED_FOR_WORK, f"it runs{size}: work waited for it, {starts}", gate)
    return Close(Outcome.RESTORED, f"it runs again{size}, {down_for} after it went down, {starts}", gate)


def _stopped_inside(situation: Situation, policy: Policy, now: datetime) -> Decision:
    if situation.evidence.verdict is Verdict.STOPPED_BY_OWNER:
        return _stopped(situation)
    # Azure shows "stopped" for a moment on the way down and on the way up too (docs/azure-facts.md arm-12).
    coming_up = situation.attempt_under_way is not None and now - situation.attempt_under_way.asked_at < START_PATIENCE
    if coming_up or _eviction_is_fresh(situation, now) or _notice_is_fresh(situation, now):
        return Wait(next_look(situation, policy, now), "it is stopped but not deallocated yet")
    return situation.ended(Outcome.SHUT_DOWN_INSIDE, "stopped but not deallocated: it was shut down from inside")


def wait_until_it_passes(situation: Situation, reason: str, policy: Policy, now: datetime) -> Wait:
    """Wait for something that should pass within minutes; it is noted since when it lasts."""
    return Wait(next_look(situation, policy, now), reason, obstacle_since=situation.obstacle_since(now))


def next_look(situation: Situation, policy: Policy, now: datetime) -> datetime:
    """Give when to look again: soon at first, then each time after a tenth of the time that it has taken so far."""
    recovery = situation.open_recovery
    since = (
        situation.attempt_under_way.asked_at if situation.attempt_under_way else recovery.opened_at if recovery else now
    )
    return now + min(max(policy.look_again, (now - since) / 10), policy.slow_retry)


def _eviction_is_fresh(situation: Situation, now: datetime) -> bool:
    """Whether Azure told of an eviction a short while ago, and no start was asked for since."""
    evicted_at = situation.evidence.evicted_at
    if evicted_at is None or now - evicted_at > EVICTION_PATIENCE:
        return False
    attempt = situation.open_recovery.attempt if situation.open_recovery else None
    return attempt is None or went_down_after(attempt, situation.evidence)


def _notice_is_fresh(situation: Situation, now: datetime) -> bool:
    """Whether an agent told of an eviction a short while ago, and nothing was done yet that could be the answer."""
    noticed_at, recovery = situation.evidence.noticed_at, situation.open_recovery
    if noticed_at is None or situation.evidence.verdict is Verdict.STOPPED_BY_OWNER:
        return False
    return now - noticed_at <= NOTICE_HOLDS and (recovery is None or recovery.attempt is None)


def stopped_by_its_owner(
    situation: Situation, _vm: Vm, _policy: Policy, _now: datetime, _jitter: float
) -> Decision | None:
    """Leave a VM that its owner stopped."""
    return _stopped(situation) if situation.evidence.verdict is Verdict.STOPPED_BY_OWNER else None


def _stopped(situation: Situation) -> Decision:
    at = situation.evidence.owner_stopped_at
    when = f"{at:%Y-%m-%d %H:%M:%S}Z" if at else "an unknown time"
    return situation.ended(Outcome.STOPPED_BY_OWNER, f"its owner stopped it at {when}")


def went_down_after(attempt: Attempt, evidence: Evidence) -> bool:
    """Whether Azure told of an eviction after a request was sent, and of another one than was known then."""
    evicted_at = evidence.evicted_at
    return evicted_at is not None and evicted_at > attempt.asked_at and evicted_at != attempt.evicted_at
