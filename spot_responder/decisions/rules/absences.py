"""What to do about a VM that ARM answers "not found" for. Pure; called by ``decide.py``.

One such answer is no proof: ARM gives it for a while about VMs that exist. A VM counts as gone when the answer is the
same after ``GONE_AFTER`` and Resource Graph does not show the VM either, or else after a day (``GONE_THOUGH_SHOWN``).

An open recovery waits for that. Where none is open, a message about an eviction or an owner's stop is requeued, since
Azure sends it only once; any other is dropped, since the sweep would find the VM again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.evidence import Verdict
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import GONE_AFTER, GONE_THOUGH_SHOWN, INTENT_GRACE, RestartWhen
from spot_responder.decisions.recoveries import Absence
from spot_responder.decisions.situations import Ignore, Requeue, Wait
from spot_responder.decisions.work import covers
from spot_responder.intake.signals import SignalKind
from spot_responder.text import span

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.decisions.policy import Policy
    from spot_responder.decisions.situations import Decision, Situation


ABSENT_LOOK: Final = timedelta(minutes=15)
"""The longest time between two looks at a VM that ARM does not find: it may be there again, and due for a start."""


def decide_about_an_absent_vm(situation: Situation, policy: Policy, now: datetime) -> Decision:
    """Decide what to do where ``situation.vm`` is ``None``."""
    recovery = situation.open_recovery
    absence = situation.absence or Absence(now, now)
    if _is_proven(absence, now):
        how_long = span(now - absence.since)
        reason = f"Azure has no such VM, for {how_long} now: it was deleted, or its eviction policy is Delete"
        return situation.ended(Outcome.GONE, reason, remember=False)
    until = _next_look(absence, policy, now)
    but = ", though Resource Graph shows it" if situation.shown else ""
    reason = f"ARM answers since {absence.since:%H:%M:%S}Z that there is no such VM{but}: asked again before it counts"
    is_ours = situation.shown is not None and covers(situation.shown, policy)
    if recovery or (is_ours and _is_due(situation, policy)):
        return Wait(until, reason, obstacle_since=situation.obstacle_since(now))
    if situation.kind is SignalKind.EVICTED:
        return Requeue(until, reason, absence.since)
    if situation.kind is SignalKind.STOPPED_BY_OWNER and not situation.shown:
        # The owner's stop must be in the row before a start is decided on.
        return Requeue(min(until, now + INTENT_GRACE / 2), reason, absence.since)
    return Ignore(reason)


def _is_due(situation: Situation, policy: Policy) -> bool:
    """Whether a VM that only Resource Graph shows would be started, by what is known of it."""
    verdict, kind = situation.evidence.verdict, situation.kind
    if verdict is Verdict.UNKNOWN:
        return kind is SignalKind.SWEEP_FOUND and policy.restart_when is RestartWhen.UNLESS_STOPPED
    return verdict is Verdict.EVICTED and kind.says_down_and_covered


def is_gone(situation: Situation, now: datetime) -> bool:
    """Whether the VM has not been found for so long that it counts as gone."""
    return situation.vm is None and situation.absence is not None and _is_proven(situation.absence, now)


def _is_proven(absence: Absence, now: datetime) -> bool:
    is_unseen = absence.unseen_since is not None and now - absence.unseen_since >= GONE_AFTER
    return is_unseen or now - absence.since >= GONE_THOUGH_SHOWN


def _next_look(absence: Absence, policy: Policy, now: datetime) -> datetime:
    """Give when to look again: soon at first, then ever later, and when the VM would count as gone."""
    since, takes = absence.since, GONE_THOUGH_SHOWN
    if absence.unseen_since is not None:
        since, takes = absence.unseen_since, GONE_AFTER
    return min(now + min(max(policy.look_again, now - since), ABSENT_LOOK), since + takes)
