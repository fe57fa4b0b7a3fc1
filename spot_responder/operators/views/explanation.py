"""What is going on with one VM, why, and what comes next: the facts, the row and the decision of now, in words. Pure.

It uses the app's own ``decide``, so what it says comes next is what the app will do. Called by ``operators/gather.py``;
``commands/explain.py`` writes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from spot_responder.advised_command import CommandLine
from spot_responder.decisions.agents_word import SILENT, agent_is_silent
from spot_responder.decisions.attempts import AttemptState
from spot_responder.decisions.evidence import Verdict
from spot_responder.decisions.pools import pool_of
from spot_responder.decisions.publishing.notices import needs_somebody, of_failures
from spot_responder.decisions.situations import Close, Ignore, Requeue, Resize, Start, Wait
from spot_responder.intake.vms import PowerState
from spot_responder.operators.views.advice import advice
from spot_responder.operators.views.explained_past import Told, evidence_told, last_recovery, starts_tried
from spot_responder.operators.views.offerings.fallback import sizes_told
from spot_responder.operators.views.open_recovery import OpenRecovery, open_recovery
from spot_responder.operators.views.tag_typos import TagTypo, is_left_to_the_tag, tag_typos

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from spot_responder.decisions.policy import Policy
    from spot_responder.decisions.pools import PoolId
    from spot_responder.decisions.recoveries import Notice, Recovery
    from spot_responder.decisions.situations import Decision, Situation
    from spot_responder.intake.azure_errors import Failure
    from spot_responder.intake.vms import VmId


@dataclass(frozen=True, slots=True)
class Next:
    """What the app does next, and when, if a time is set."""

    what: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a VM is as it is.

    Attributes:
        called: how the operator named it, as the commands that are advised do.
        headline: the whole in one sentence.
        covered: whether the VM is covered; ``why_not`` says in one sentence why it is not.
        evidence: what was reported or done about the VM, oldest first.
        tried: the start requests of the open recovery, in one sentence each, with Azure's latest message; then the
            sizes that it may come back as.
        recovery: the open recovery; ``last_recovery`` is the outcome and reason of the latest closed one.
        restarts_today: how often the app restarted it within a day; ``restarts_allowed`` is the brake.
        work_queue: what the work queue of the VM asks of it; "" where none decides about it.
        stopped_itself_at: when its worker wrote that it deallocates it, where that is why it is down.
        needs_you: whether something is wrong that does not pass by itself.
    """

    vm_id: VmId
    called: str
    at: datetime
    headline: str
    power_state: PowerState | None
    pool: PoolId | None
    covered: bool
    why_not: str
    tag_typos: tuple[TagTypo, ...]
    held_at: datetime | None
    evidence: tuple[Told, ...]
    tried: tuple[str, ...]
    next: Next
    advice: tuple[str, ...]
    recovery: OpenRecovery | None
    last_recovery: Told | None
    restarts_today: int
    restarts_allowed: int
    dry_run: bool
    work_queue: str
    stopped_itself_at: datetime | None
    needs_you: bool


_POWER: Final = {
    PowerState.CREATING: "is being created",
    PowerState.STARTING: "is coming up",
    PowerState.RUNNING: "runs",
    PowerState.STOPPING: "is going down",
    PowerState.STOPPED: "is stopped",
    PowerState.DEALLOCATING: "is going down",
    PowerState.DEALLOCATED: "is down",
    PowerState.UNKNOWN: "is in a power state that Azure does not tell",
}
_CAUSE: Final = {
    Verdict.EVICTED: "evicted by Azure",
    Verdict.STOPPED_BY_OWNER: "stopped by its owner",
    Verdict.UNKNOWN: "nobody told why",
}


_COMMAND: Final = CommandLine()
_SWEEP: Final = (
    "no event told the app of it yet: one may be on its way, and the next sweep finds it (every 15 minutes, or as "
    "SWEEP_SCHEDULE says)"
)


def explain(  # noqa: PLR0913 - all that it rests on
    situation: Situation,
    decision: Decision,
    policy: Policy,
    now: datetime,
    *,
    called: str = "",
    dry_run: bool = False,
    command: CommandLine = _COMMAND,
    history: Sequence[Recovery] = (),
    work_queue: str = "",
    stopped_itself_at: datetime | None = None,
) -> Explanation:
    """Explain a VM by what is known of it and what would be decided about it now.

    ``called``: how commands name the VM; by its name, if not given. ``command`` writes the commands that are advised.
    ``history``: earlier recoveries of the VM, as far as they were loaded. ``work_queue`` and ``stopped_itself_at``: see
    ``Explanation``.
    """
    vm, row = situation.vm, situation.recovery
    recovery = open_recovery(situation.open_recovery, now, dry_run=dry_run) if situation.open_recovery else None
    not_covered = "" if vm is None else why_not(decision)
    is_tagged_wrong = vm and not_covered and is_left_to_the_tag(vm, policy)
    misses = tag_typos(vm.tags, policy.restart_tag) if vm and is_tagged_wrong else ()
    failure, need = _latest_failure(situation, decision), _need(situation, decision, now)
    state = _state_of_things(situation, decision, now, dry_run=dry_run)
    called = called or situation.vm_id.name
    return Explanation(
        vm_id=vm.vm_id if vm else situation.vm_id,
        called=called,
        at=now,
        headline=_headline(situation, decision, recovery, misses, state, stopped_itself_at),
        power_state=vm.power_state if vm else None,
        pool=pool_of(vm) if vm else None,
        covered=vm is not None and not not_covered,
        why_not=not_covered,
        tag_typos=misses,
        held_at=row.held_at if row else None,
        evidence=evidence_told(situation, history, now, stopped_itself_at),
        tried=(*starts_tried(situation, failure), *sizes_told(situation, policy, now)),
        next=_next(situation, decision, recovery, dry_run=dry_run, is_for_work=bool(work_queue)),
        advice=advice(situation, decision, failure, policy, called, command, need),
        recovery=recovery,
        last_recovery=last_recovery(situation),
        restarts_today=len(row.restarts_within_a_day(now)) if row else 0,
        restarts_allowed=policy.restarts_per_day,
        dry_run=dry_run,
        work_queue=work_queue,
        stopped_itself_at=stopped_itself_at,
        needs_you=situation.vm is None
        or bool(misses)
        or (recovery is not None and recovery.is_overdue)
        or (row is not None and agent_is_silent(row, now))
        or need is not None,
    )


def why_not(decision: Decision) -> str:
    """Say why the VM is not covered; an empty text where it is."""
    left_alone = isinstance(decision, Ignore) and not decision.remember
    ends_so = isinstance(decision, Close) and decision.outcome.is_not_covered
    return decision.reason if left_alone or ends_so else ""


def _headline(  # noqa: PLR0913, PLR0917 - all that it sums up
    situation: Situation,
    decision: Decision,
    recovery: OpenRecovery | None,
    misses: tuple[TagTypo, ...],
    state: str,
    stopped_itself_at: datetime | None,
) -> str:
    vm = situation.vm
    if vm is None:
        name = situation.vm_id.name
        if situation.open_recovery or situation.shown:
            return f"{name}: {decision.reason}"
        return f"{name}: Azure has no such VM, or does not show it to you"
    how = f"{vm.vm_id.name} {_POWER[vm.power_state]}"
    if vm.power_state.is_down_or_going_down:
        how += _own_stop(stopped_itself_at) or _cause(situation.evidence.verdict, decision)
    if why_not(decision):
        return f"{how}, and is not covered: {decision.reason}" + _but(misses)
    if recovery and recovery.is_overdue:
        return f"{how}: the app does not run, may not look, or lost a message: the look that was due did not happen"
    return f"{how}: {state}"


def _own_stop(stopped_itself_at: datetime | None) -> str:
    if stopped_itself_at is None:
        return ""
    return f", deallocated by its own worker at {stopped_itself_at:%H:%M:%S}Z, which had nothing left to do"


def _cause(verdict: Verdict, decision: Decision) -> str:
    """Say why it is down, unless the decision's reason says so itself."""
    waits = isinstance(decision, Wait)
    says_so = verdict is (Verdict.UNKNOWN if waits else Verdict.STOPPED_BY_OWNER) and not why_not(decision)
    return "" if says_so else f", {_CAUSE[verdict]}"


def _but(misses: tuple[TagTypo, ...]) -> str:
    return f"; but {misses[0].what}" if misses else ""


def _state_of_things(situation: Situation, decision: Decision, now: datetime, *, dry_run: bool) -> str:
    row = situation.recovery
    match decision:
        case Start() | Resize() if dry_run:
            return "it would be started now, were DRY_RUN not true"
        case Start():
            return "it is about to be started"
        case Resize():
            return f"it is about to be changed to {decision.size} and started"
        case Ignore() if decision.reason == "it runs" and row and agent_is_silent(row, now):
            return SILENT
        case Ignore() if decision.reason == "it runs":
            return "held by an operator, should it be evicted" if row and row.held_at else "all is well"
        case Ignore() | Wait() | Close() | Requeue():
            return decision.reason
        case _:
            assert_never(decision)


def _latest_failure(situation: Situation, decision: Decision) -> Failure | None:
    if isinstance(decision, Wait) and decision.failure:
        return decision.failure
    attempt = situation.open_recovery.attempt if situation.open_recovery else None
    return attempt.failure if attempt else None


def _next(
    situation: Situation, decision: Decision, recovery: OpenRecovery | None, *, dry_run: bool, is_for_work: bool
) -> Next:
    at = recovery.next_look_at if recovery else None
    if recovery and recovery.is_overdue:
        return Next("the next sweep takes it up, if the app runs and may look", None)
    match decision:
        case Ignore():
            return Next(_nothing(situation, decision, is_for_work=is_for_work), None)
        case Close():
            return Next(f"the recovery is closed at its next look: {decision.outcome}", at)
        case Start() | Resize() | Wait() if recovery is None:
            return Next("the next sweep finds it, and starts nothing: DRY_RUN is true" if dry_run else _SWEEP, None)
        case _ if recovery and recovery.held_at and isinstance(decision, Wait):
            return Next("nothing until it is released; it is looked at again, to see whether others started it", at)
        case Start() | Resize() | Wait() if dry_run:
            return Next("it is looked at again, and not started: DRY_RUN is true", at)
        case Start() | Resize() | Wait() | Requeue():
            return _goes_on(situation, decision, recovery, at)
        case _:
            assert_never(decision)


def _goes_on(
    situation: Situation, decision: Start | Resize | Wait | Requeue, recovery: OpenRecovery | None, at: datetime | None
) -> Next:
    change = (
        situation.attempt_under_way if situation.attempt_under_way and situation.attempt_under_way.resize_to else None
    )
    if change and isinstance(decision, Start | Wait) and not (isinstance(decision, Wait) and decision.failure):
        # Until Azure has answered, the time in the row is that of a safety net.
        at = at if change.state is AttemptState.ACCEPTED else None
        return Next("right after its change of size, a start is asked for", at)
    if isinstance(decision, Start | Resize):
        return Next(_request(decision), at)
    return Next("a start is asked for again" if recovery and recovery.failure else "it is looked at again", at)


def _request(decision: Start | Resize) -> str:
    change = f"it is changed to {decision.size}, and " if isinstance(decision, Resize) else ""
    return f"{change}a start is asked for"


def _nothing(situation: Situation, decision: Ignore, *, is_for_work: bool) -> str:
    if situation.vm is None:
        return "nothing"
    if not decision.remember:
        return "nothing: the app leaves it alone"
    if is_for_work and situation.vm.power_state is PowerState.RUNNING:
        return "nothing: its worker deallocates it when nothing is left to do"
    if situation.work is not None and situation.work.reason == decision.reason:
        return "nothing, until its work queue asks for it"
    if situation.vm.power_state is PowerState.RUNNING:
        return "nothing, until Azure evicts it"
    return "nothing: it stays as it is until somebody starts it"


def _need(situation: Situation, decision: Decision, now: datetime) -> Notice | None:
    """Say what will need somebody once the app has read what was read here."""
    row = situation.open_recovery
    if row is None or row.held_at or isinstance(decision, Close | Ignore):
        return None
    if isinstance(decision, Wait) and decision.notice:
        return decision.notice
    failure = decision.failure if isinstance(decision, Wait) else None
    if failure:
        lasted = now - (row.failing_so_since(failure.kind) or now)
        failed = of_failures(failure, row.failures.in_a_row_of(failure.kind) + 1, lasted)
        if failed:
            return failed
    return needs_somebody(row, now)
