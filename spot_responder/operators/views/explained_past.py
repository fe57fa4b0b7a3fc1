"""What was reported or done about one VM, and what was tried, in words: a part of its explanation. Pure.

Called by ``explanation.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from spot_responder.decisions.attempts import AttemptState
from spot_responder.decisions.evidence import Verdict
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import RESTARTS_REMEMBERED, START_PATIENCE
from spot_responder.decisions.recovery_times import notice_lead, ready_after
from spot_responder.decisions.refused_starts import counts_as_attempt
from spot_responder.decisions.situations import OperationState
from spot_responder.intake.signals import SignalKind
from spot_responder.intake.vms import PowerState
from spot_responder.text import count, one_line, span

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from spot_responder.decisions.attempts import Attempt
    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.decisions.situations import Situation
    from spot_responder.intake.azure_errors import Failure


@dataclass(frozen=True, slots=True)
class Told:
    """Something that was reported or done, and when."""

    at: datetime
    what: str


def evidence_told(
    situation: Situation, history: Sequence[Recovery], now: datetime, stopped_itself_at: datetime | None = None
) -> tuple[Told, ...]:
    """Say what was reported or done about the VM, oldest first.

    ``history``: earlier recoveries, if loaded. ``stopped_itself_at``: see ``Explanation``.
    """
    evidence, vm = situation.evidence, situation.vm
    swallowed = evidence.verdict is Verdict.EVICTED and evidence.stopped_weakly_at
    weakly = "Resource Health: a stop was asked for" + (" (taken as a part of the eviction)" if swallowed else "")
    recovery, row = situation.open_recovery, situation.recovery
    attempt = row.attempt if row else None
    was_sent = attempt is not None and not attempt.resize_to and not (attempt.failure and attempt.failure.lacks_token)
    asked_at = max(evidence.starts_asked, default=attempt.asked_at if attempt and was_sent else None)
    rows = [*history, *([row] if row else [])]
    known = [
        (recovery.opened_at if recovery else None, _heard(recovery.opened_by) if recovery else ""),
        (evidence.evicted_at, "Azure evicted it"),
        (evidence.stopped_firmly_at, "an ARM event: somebody stopped it"),
        (evidence.stopped_weakly_at, weakly),
        (evidence.started_at, _starter(evidence.started_at, rows, now) if evidence.started_at else ""),
        (asked_at, "our own start request"),
        (evidence.settled_at, "what was told up to then is over: it is known to have run later"),
        (stopped_itself_at, "its worker, which had nothing left to do, wrote that it deallocates it"),
        (row.held_at if row else None, "an operator held it"),
        *_by_its_agent(situation),
    ]
    if vm and vm.annotation:
        known.append((vm.annotation.occurred_at, f"its newest health annotation: {one_line(vm.annotation.name)}"))
    return tuple(sorted((Told(at, what) for at, what in known if at), key=lambda told: told.at))


def _by_its_agent(situation: Situation) -> list[tuple[datetime | None, str]]:
    """Say what its agent told: of the open recovery, or else of the one that is kept."""
    row, evidence = situation.recovery, situation.evidence
    if row is None:
        return []
    lead = notice_lead(row)
    before = f", {span(lead)} before it went down" if lead is not None else ""
    agent = row.agent
    return [
        (evidence.noticed_at or agent.noticed_at, f"its agent noticed an eviction to come{before}"),
        (evidence.seen_down_at, "a look saw it going down, as its agent had told"),
        (agent.ready_at, "its agent told that its workload goes on"),
        (agent.maintenance_at, f"its agent told of maintenance to come: {one_line(agent.maintenance)}"),
    ]


def _starter(began_at: datetime, rows: Sequence[Recovery], now: datetime) -> str:
    """Say who started it, as far as is known: the rows keep all of the app's starts for a day, and some for longer."""
    if any(_is_ours(began_at, row) for row in rows):
        return "Resource Health: our start began"
    if now - began_at < RESTARTS_REMEMBERED:
        return "Resource Health: somebody began to start it"
    return "Resource Health: a start of it began, ours or another's: it is not known here any more"


def _is_ours(began_at: datetime, row: Recovery) -> bool:
    asked = {*row.starts, *row.evidence.starts_asked, row.attempt.asked_at if row.attempt else None}
    return any(at and at <= began_at <= at + START_PATIENCE for at in asked)


def _heard(by: SignalKind) -> str:
    match by:
        case SignalKind.SWEEP_FOUND:
            return "the app's sweep found it: no event had told of it"
        case SignalKind.WORK_WAITS:
            return "its work queue asked for it"
        case SignalKind.OPERATOR_ASKED:
            return "the app looked at it, as an operator asked for"
        case SignalKind.EVICTED | SignalKind.EVICTION_NOTICED | SignalKind.UNAVAILABLE:
            return "the app heard of it, by an event"
        case SignalKind.STOPPED_BY_OWNER | SignalKind.STARTED | SignalKind.FOLLOW_UP:
            return "the app heard of it, by an event"
        case SignalKind.AGENT_NOTICED | SignalKind.AGENT_MAINTENANCE | SignalKind.WORKLOAD_READY:
            return "the app heard of it, by the agent in the VM"
        case _:
            assert_never(by)


def starts_tried(situation: Situation, failure: Failure | None) -> tuple[str, ...]:
    """Say what start requests the open recovery has sent, and what became of the latest."""
    row = situation.open_recovery
    if row is None:
        return ()
    if row.attempt is None:
        return ("no start was asked for yet",)
    if row.attempt.resize_to:
        return (_change_tried(row.attempts, row.attempt),)
    tries = count(row.attempts, "start request")
    if failure and failure is row.attempt.failure and row.attempt.is_under_way:
        return (f"{tries}; the latest was not answered: whether Azure took it is not known",)
    if failure:
        if counts_as_attempt(failure):
            return (f"{tries}; the latest came to nothing ({failure.kind}). Azure said: {failure.said}",)
        before = f"{tries}, and " if row.attempts else ""
        if failure.lacks_token:
            return (f"{before}one that was not sent, for there was no token: {failure.message}",)
        came = f"one that Azure did not try, so that it is not counted ({failure.kind})"
        return (f"{before}{came}. Azure said: {failure.said}",)
    return (f"{tries}; the latest is under way: {_known_of_it(situation, row.attempt)}",)


def _change_tried(starts: int, attempt: Attempt) -> str:
    asked = f"{count(starts, 'start request')}, then its change to {attempt.resize_to} was asked for"
    if attempt.failure is None:
        return asked
    if attempt.is_under_way:
        return f"{asked}; that was not answered: whether Azure took it is not known"
    return f"{asked}; Azure refused that: {attempt.failure.said}"


def _known_of_it(situation: Situation, attempt: Attempt) -> str:
    if attempt.state is not AttemptState.ACCEPTED:
        return "its answer is not known yet"
    is_coming_up = situation.vm is not None and situation.vm.power_state is PowerState.STARTING
    is_told = situation.operation is not None and situation.operation.state is OperationState.IN_PROGRESS
    return "Azure works on it" if is_coming_up or is_told else "Azure accepted it"


def last_recovery(situation: Situation) -> Told | None:
    """Say how the VM's latest recovery ended; ``None`` where there was none, or what there is shows it already."""
    row = situation.recovery
    if row is None or row.closed_at is None or row.is_note:
        return None
    if row.outcome is Outcome.STOPPED_BY_OWNER and situation.evidence.verdict is Verdict.STOPPED_BY_OWNER:
        # The current stop is shown already.
        return None
    ready = ready_after(row)
    went_on = f"; its workload went on {span(ready)} after it went down" if ready is not None else ""
    return Told(row.closed_at, f"{row.outcome}: {row.reason}{went_on}")
