"""Two rules that keep one VM from being started too often: the brake counts restarts, the budget start requests. Pure.

``decide.py`` asks both last, before the pool; ``policy.py`` has what an operator may set about them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spot_responder.decisions.policy import BRAKE_COUNTS, RESTARTS_REMEMBERED, STARTS_REMEMBERED
from spot_responder.decisions.recoveries import Notice
from spot_responder.decisions.situations import Wait
from spot_responder.text import count

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.decisions.policy import Policy
    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.decisions.situations import Decision, Situation
    from spot_responder.intake.vms import Vm


def brake(situation: Situation, _vm: Vm, policy: Policy, now: datetime, _jitter: float) -> Decision | None:
    """Pause a VM that is evicted again and again."""
    today = situation.recovery.restarts_within_a_day(now) if situation.recovery else ()
    if len(today) >= policy.restarts_per_day:
        until = min(today) + RESTARTS_REMEMBERED
        reason = f"the brake: restarted {count(len(today), 'time')} within a day, the most that is allowed"
        return Wait(until, reason, notice=Notice.BRAKE)
    latest = max(today, default=now)
    lately = [time for time in today if latest - time < BRAKE_COUNTS]
    until = latest + policy.brake
    if len(lately) >= policy.restarts_per_hour and now < until:
        reason = f"the brake: evicted again and again, {count(len(lately), 'restart')} within an hour"
        return Wait(until, reason, notice=Notice.BRAKE)
    return None


def budget(situation: Situation, _vm: Vm, policy: Policy, now: datetime, _jitter: float) -> Decision | None:
    """Limit the start requests of one VM within an hour, whatever came of them."""
    lately = situation.recovery.starts_within_an_hour(now) if situation.recovery else ()
    if len(lately) < policy.starts_per_hour:
        return None
    until = lately[-policy.starts_per_hour] + STARTS_REMEMBERED
    reason = f"its budget: {_requests(situation.recovery, lately)} within an hour, the most that is allowed"
    return Wait(until, reason, notice=Notice.BUDGET)


def _requests(recovery: Recovery | None, lately: tuple[datetime, ...]) -> str:
    """Count them: a change of its size is one as well."""
    changed_at = set(recovery.sizes.resizes) if recovery else set()
    changes = sum(time in changed_at for time in lately)
    starts = count(len(lately) - changes, "start request")
    return f"{starts} and {count(changes, 'change')} of its size" if changes else starts
