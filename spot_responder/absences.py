"""What to do about a VM that ARM says does not exist: one such answer ends nothing, and nothing is forgotten. Pure.

Azure does answer so for a while about VMs that exist, so that "gone" needs as much proof as "evicted": the same answer
again after ``GONE_AFTER``, and Resource Graph must not contradict it, or else a day (``GONE_THOUGH_SHOWN``).
An open recovery waits for that. Where none is open, what nobody tells a second time (an eviction, an owner's stop) is
kept as a message; whatever else is told, the sweep finds again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spot_responder.amounts import span
from spot_responder.policy import GONE_AFTER, GONE_THOUGH_SHOWN, INTENT_GRACE
from spot_responder.recoveries import Outcome
from spot_responder.signals import SignalKind
from spot_responder.situations import Close, Ignore, Requeue, Wait

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from spot_responder.policy import Policy
    from spot_responder.situations import Decision, Situation


def decide_about_an_absent_vm(situation: Situation, policy: Policy, now: datetime) -> Decision:
    """Decide what to do where ``situation.vm`` is ``None``."""
    recovery, signal = situation.open_recovery, situation.signal
    since = situation.absent_since or now
    if is_gone(situation, now):
        reason = f"Azure has no such VM, for {span(now - since)}: it was deleted, or its eviction policy is Delete"
        return Close(Outcome.GONE, reason) if recovery else Ignore(reason, remember=False)
    waits = max(policy.look_again, now - since)
    but = ", though Resource Graph shows it" if situation.shown else ""
    reason = f"ARM answers since {since:%H:%M:%S}Z that there is no such VM{but}: asked again before that counts"
    # Soon at first, for the VM may be there all the same and due; then ever later.
    until = min(now + waits, since + _proof_takes(situation))
    is_ours = situation.shown is not None and situation.shown.is_covered(policy.restart_tag)
    if recovery or (signal.kind is SignalKind.EVICTED and is_ours):
        return Wait(until, reason)
    if signal.kind is SignalKind.EVICTED:
        return Requeue(until, reason)
    if signal.kind is SignalKind.STOPPED_BY_OWNER and not is_ours:
        # It must be there before the start that it forbids.
        return Requeue(min(until, now + INTENT_GRACE / 2), reason)
    return Ignore(reason)


def is_gone(situation: Situation, now: datetime) -> bool:
    """Whether the VM has been absent for so long that it counts as gone."""
    since = situation.absent_since
    return situation.vm is None and since is not None and now - since >= _proof_takes(situation)


def _proof_takes(situation: Situation) -> timedelta:
    return GONE_THOUGH_SHOWN if situation.shown else GONE_AFTER
