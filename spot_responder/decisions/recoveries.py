"""A recovery: what is kept for one VM from the first signal until it is closed, and its valid transitions. Pure.

Made and changed by ``responder/act.py`` as ``decide.py`` says; ``clients/rows/table_rows.py`` writes it into its
table row.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from spot_responder.decisions.agent_notes import AgentNotes
from spot_responder.decisions.attempts import Attempt, AttemptState, SizeNotes
from spot_responder.decisions.evidence import Evidence
from spot_responder.decisions.failure_counts import FailureCounts
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import (
    AGENT_REMEMBERED,
    FOLLOW_UP_OVERDUE,
    RESTARTS_REMEMBERED,
    STARTS_REMEMBERED,
)
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.signals import SignalKind

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.decisions.pools import PoolId
    from spot_responder.intake.azure_errors import Failure
    from spot_responder.intake.vms import Vm, VmId


class InvalidTransitionError(RuntimeError):
    """A recovery was asked to do what its state does not allow: a bug in this app, never Azure's doing."""


class Notice(StrEnum):
    """What a notice is about."""

    OPENED = "opened"
    DENIED = "denied"
    QUOTA = "quota"
    UNKNOWN = "unknown"
    CONFLICT = "conflict"
    THROTTLED = "throttled"
    GONE = "gone"
    NO_TOKEN = "no-token"  # noqa: S105 - a word, no secret
    REFUSALS = "refusals"
    BRAKE = "brake"
    BUDGET = "budget"
    BLOCKED = "blocked"
    AGENT_SILENT = "agent-silent"
    WORKLOAD_READY = "workload-ready"


@dataclass(frozen=True, slots=True)
class Absence:
    """``since``: ARM answers that there is no such VM. ``unseen_since``: nor does Resource Graph show it."""

    since: datetime
    unseen_since: datetime | None


@dataclass(frozen=True, slots=True)
class Recovery:
    """Everything we know of one VM's recovery; all of it can be shown to an operator.

    Attributes:
        recovery_id: joins log lines, history and outcome.
        opened_by: the kind of the first signal.
        outcome: ``None`` while the recovery is open, and of a note. A closed one is kept for what it remembers: the
            owner's wish, and the restarts of the last day.
        sequence: the number of the one valid follow-up; any other is stale.
        wake_at: when that follow-up is due.
        not_before: after a refusal, when Azure may be asked again, whatever else is waited for meanwhile.
        slow_down_until: until when Azure itself does not want to be asked; it holds for later recoveries as well.
        attempts: how many start requests were sent. Throttled ones are not counted.
        failures: how often start requests came to nothing, and why.
        published_notices: which notices of this recovery were published.
        restarts: when this VM came back through us, within the last day.
        reason: the latest decision's sentence; ``notice`` is what somebody should know of it: the brake, or the budget.
        down_since: set when the recovery is closed: since when the VM was down.
        starts: when start requests were sent, within the last hour: for the budget.
        seen_queued_at: where it is queued in its pool, when a look saw last that it is deallocated.
        recorded: whether a closed recovery is in the history, from where its outcome is published.
        obstacle_since: since when something that should pass within minutes keeps us from looking or starting.
        absence: since when ARM answers that there is no such VM.
        pool: which capacity the VM competes for, as far as it was seen: the history is counted by it.
        held_at: since when an operator holds the VM: it is not started until released, in this recovery or a later one.
        agent: what the VM's agent told about it.
        sizes: what is kept of the VM's sizes, where the app may change them.
    """

    vm_id: VmId
    recovery_id: str
    opened_at: datetime
    opened_by: SignalKind
    evidence: Evidence = field(default_factory=Evidence)
    outcome: Outcome | None = None
    closed_at: datetime | None = None
    sequence: int = 0
    wake_at: datetime | None = None
    not_before: datetime | None = None
    slow_down_until: datetime | None = None
    attempts: int = 0
    attempt: Attempt | None = None
    failures: FailureCounts = field(default_factory=FailureCounts)
    published_notices: frozenset[Notice] = frozenset()
    restarts: tuple[datetime, ...] = ()
    reason: str = ""
    notice: Notice | None = None
    down_since: datetime | None = None
    starts: tuple[datetime, ...] = ()
    recorded: bool = False
    seen_queued_at: datetime | None = None
    held_at: datetime | None = None
    pool: PoolId | None = None
    absence: Absence | None = None
    obstacle_since: datetime | None = None
    agent: AgentNotes = field(default_factory=AgentNotes)
    sizes: SizeNotes = field(default_factory=SizeNotes)

    @property
    def is_open(self) -> bool:
        """Whether the app is still busy with the VM."""
        return self.closed_at is None

    @property
    def came_up_at(self) -> datetime | None:
        """When a look saw the VM run, which closed the recovery; ``None`` where that did not close it."""
        return self.closed_at if self.outcome is not None and self.outcome.is_up else None

    @property
    def is_note(self) -> bool:
        """Whether it is no recovery at all: a row that keeps an owner's or an operator's word about a VM."""
        return self.closed_at is not None and self.outcome is None

    @property
    def is_note_of_an_unseen_vm(self) -> bool:
        """Whether it says no more than that its owner stopped a VM which nobody has looked at yet."""
        return self.is_note and self.pool is None and self.held_at is None

    def is_overdue(self, now: datetime) -> bool:
        """Whether its follow-up is so late that it is taken as lost."""
        return self.is_open and (self.wake_at is None or now - self.wake_at > FOLLOW_UP_OVERDUE)

    @property
    def attempt_under_way(self) -> Attempt | None:
        """The start request that Azure may still be working on."""
        return self.attempt if self.attempt and self.attempt.is_under_way else None

    @property
    def may_have_started_it(self) -> bool:
        """Whether the app may have started a running VM: no refusal of its latest request says otherwise."""
        if self.attempt is None or self.attempt.resize_to:
            return False
        return self.attempt.failure is None or self.attempt.failure.kind is FailureKind.UNKNOWN

    def failing_so_since(self, kind: FailureKind) -> datetime | None:
        """Give since when every request has failed for this reason; ``None`` where the latest did not."""
        return self.failures.since_of(kind, self._asked_at)

    def restarts_within_a_day(self, now: datetime) -> tuple[datetime, ...]:
        """Give when the app restored the VM within the last day."""
        return tuple(time for time in self.restarts if now - time < RESTARTS_REMEMBERED)

    def starts_within_an_hour(self, now: datetime) -> tuple[datetime, ...]:
        """Give when a start, or another size, was asked for within the last hour, whatever came of it."""
        return _within_an_hour(self.starts, now)

    def waiting(
        self,
        until: datetime,
        reason: str,
        *,
        seen_queued_at: datetime | None = None,
        notice: Notice | None = None,
        obstacle_since: datetime | None = None,
    ) -> Recovery:
        """Wait for the next follow-up, and note why."""
        return replace(
            self.with_follow_up(until),
            reason=reason,
            seen_queued_at=seen_queued_at,
            notice=notice,
            obstacle_since=obstacle_since,
        )

    def with_follow_up(self, due_at: datetime) -> Recovery:
        """Wait for a follow-up at ``due_at``, which makes all earlier ones stale; why it waits stays as it is."""
        self._must_be_open("wait")
        return replace(self, sequence=self.sequence + 1, wake_at=due_at)

    def asking(self, now: datetime, answer_by: datetime, reason: str, size: str = "") -> Recovery:
        """Note a request to start the VM as ``size``, before it is sent, so that a crash in between is noticed."""
        self._must_be_open("ask for a start")
        attempt = Attempt(self.attempts + 1, now, size=size, evicted_at=self.evidence.evicted_at)
        evidence = replace(self.evidence, starts_asked=_lately(self.evidence.starts_asked, now))
        agent = replace(self.agent, ready_at=None, ready_heard_at=None, reported_at=self.agent.last_reported_at)
        starts = _lately(self.starts, now)
        waiting = self.waiting(answer_by, reason, obstacle_since=self.obstacle_since)
        return replace(waiting, attempts=attempt.number, attempt=attempt, evidence=evidence, starts=starts, agent=agent)

    def asking_for_size(self, vm: Vm, size: str, now: datetime, answer_by: datetime, reason: str) -> Recovery:
        """Note a request for another size, before it is sent. It counts against the budget as a start does."""
        self._must_be_open("ask for another size")
        before = self.attempt_under_way
        unanswered = before.resize_to if before is not None and before.state is AttemptState.ASKED else ""
        attempt = Attempt(self.attempts, now, resize_to=size, size=vm.size, evicted_at=self.evidence.evicted_at)
        waiting = self.waiting(answer_by, reason, obstacle_since=self.obstacle_since)
        sizes = self.sizes.asking_for(size, vm.size, now, unanswered, vm.unique_id)
        return replace(waiting, attempt=attempt, starts=_lately(self.starts, now), sizes=sizes)

    def withdrawn(self, before: Attempt | None) -> Recovery:
        """Note that the request was not sent after all. ``before``: the request before it."""
        if self.attempt_under_way is None:
            message = f"recovery {self.recovery_id} has no start under way that could be withdrawn"
            raise InvalidTransitionError(message)
        size = self.attempt_under_way.resize_to
        if size:
            sizes = replace(self.sizes, resizes=self.sizes.resizes[:-1])
            if before is None or before.resize_to.lower() != size.lower():
                sizes = sizes.not_given(size)
            return replace(self, attempt=before, starts=self.starts[:-1], sizes=sizes)
        return replace(self._unsent(), attempt=before, attempts=self.attempts - 1)

    def accepted(self, operation_url: str | None) -> Recovery:
        """Note that Azure took the request and is working on it."""
        return self._attempt_becomes(AttemptState.ACCEPTED, operation_url=operation_url)

    def refused(self, failure: Failure, *, counts: bool, not_before: datetime | None = None) -> Recovery:
        """Azure said no, at once or inside the operation; it is not asked again before ``not_before``.

        ``counts`` is false where nothing was tried (throttled). What lacked a token was not even sent.
        """
        refused = self._attempt_becomes(AttemptState.REFUSED, failure=failure)
        if failure.lacks_token:
            refused = refused._unsent()  # noqa: SLF001 - our own
        size = self.attempt.size if self.attempt else ""
        return replace(
            refused,
            sizes=self.sizes.without_capacity(size) if failure.kind is FailureKind.CAPACITY else self.sizes,
            failures=self.failures.with_another(failure.kind, self._asked_at),
            attempts=self.attempts if counts else self.attempts - 1,
            not_before=not_before,
            slow_down_until=not_before if failure.asks_us_to_wait else None,
        )

    def size_refused(self, failure: Failure, not_before: datetime, unfit_until: datetime | None) -> Recovery:
        """Azure did not give the VM another size. ``unfit_until``: until when that size is not asked for again.

        It says nothing about starts, so it does not count among their failures.
        """
        refused = self._attempt_becomes(AttemptState.REFUSED, failure=failure)
        size = refused.attempt.resize_to if refused.attempt else ""
        sizes = self.sizes if unfit_until is None else self.sizes.refused(size, failure.said, unfit_until)
        if failure.kind is FailureKind.CAPACITY:
            sizes = sizes.without_capacity(size)
        slow_down_until = not_before if failure.asks_us_to_wait else None
        return replace(refused, sizes=sizes, not_before=not_before, slow_down_until=slow_down_until)

    def unanswered(self, failure: Failure) -> Recovery:
        """Azure did not answer the request, which it may have taken all the same: it stays under way, and counts."""
        asked = self._attempt_becomes(AttemptState.ASKED, failure=failure)
        return replace(asked, failures=self.failures.with_another(failure.kind, self._asked_at))

    def closed(self, outcome: Outcome, now: datetime, reason: str) -> Recovery:
        """Close it. Only the owner's wish, the restarts and what Azure asked for are remembered."""
        self._must_be_open("close")
        restarts = self.restarts_within_a_day(now)
        if outcome is Outcome.RESTORED:
            restarts = (*restarts, now)
        known = self.evidence
        noticed_at, down_at = known.noticed_at or self.agent.noticed_at, known.evicted_at or known.seen_down_at
        agent = replace(self.agent, noticed_at=noticed_at, down_at=down_at)
        return replace(
            self,
            outcome=outcome,
            closed_at=now,
            reason=reason,
            restarts=restarts,
            wake_at=None,
            sequence=self.sequence + 1,
            down_since=self.went_down_at,
            evidence=self._evidence_after(outcome, now).without_notice(),
            agent=agent,
        )

    def in_the_history(self) -> Recovery:
        """Note that the closed recovery is in the history."""
        return replace(self, recorded=True)

    def reopened(self, recovery_id: str, now: datetime, opened_by: SignalKind) -> Recovery:
        """Open a new recovery for a VM that has a row."""
        if self.is_open:
            message = f"recovery {self.recovery_id} is open: it cannot be opened again"
            raise InvalidTransitionError(message)
        # Azure does not want to be asked sooner, for whatever recovery.
        slow_down_until = self.slow_down_until if self.slow_down_until and now < self.slow_down_until else None
        return Recovery(
            self.vm_id,
            recovery_id,
            now,
            opened_by,
            evidence=self.evidence,
            sequence=self.sequence,
            restarts=self.restarts,
            starts=self.starts,
            held_at=self.held_at,
            agent=AgentNotes() if self.outcome is Outcome.GONE else self.agent.for_the_next(),
            sizes=SizeNotes() if self.outcome is Outcome.GONE else self.sizes.for_the_next(),
            not_before=slow_down_until,
            slow_down_until=slow_down_until,
            failures=FailureCounts(self.failures.kind if slow_down_until else None),
        )

    @property
    def went_down_at(self) -> datetime:
        """Give since when the VM is down, or was when the recovery was closed: its eviction, or the first signal."""
        return self.down_since or self.evidence.down_since(self.heard_down_at(self.evidence))

    def heard_down_at(self, evidence: Evidence) -> datetime:
        """Give when the app heard that the VM is down; of one that its agent told of before, when a look showed it."""
        if self.opened_by is SignalKind.AGENT_NOTICED and evidence.seen_down_at is not None:
            return evidence.seen_down_at
        return self.opened_at

    def is_worth_remembering(self, now: datetime) -> bool:
        """Whether a closed recovery still says something that a later decision needs."""
        recent = bool(self.restarts_within_a_day(now))
        young = self.closed_at is None or now - self.closed_at < RESTARTS_REMEMBERED
        wish = self.evidence.owner_stopped_at or self.held_at
        reported_at = self.agent.last_reported_at if self.outcome is not Outcome.GONE else None
        is_expected = reported_at is not None and now - reported_at < AGENT_REMEMBERED
        is_away = self.sizes.is_away and self.outcome is not Outcome.GONE
        return self.is_open or recent or young or wish is not None or is_expected or is_away

    def _evidence_after(self, outcome: Outcome, now: datetime) -> Evidence:
        if outcome is Outcome.GONE:
            return Evidence()
        if not outcome.is_up:
            return self.evidence
        return replace(self.evidence, starts_asked=()).seen_running(now)

    @property
    def _asked_at(self) -> datetime | None:
        return self.attempt.asked_at if self.attempt else None

    def _unsent(self) -> Recovery:
        """Forget the latest request: no event can be its consequence, and it counts against no budget."""
        evidence = replace(self.evidence, starts_asked=self.evidence.starts_asked[:-1])
        return replace(self, starts=self.starts[:-1], evidence=evidence)

    def _attempt_becomes(
        self, state: AttemptState, *, operation_url: str | None = None, failure: Failure | None = None
    ) -> Recovery:
        if self.attempt_under_way is None:
            message = f"recovery {self.recovery_id} has no start under way that could become {state}"
            raise InvalidTransitionError(message)
        attempt = replace(
            self.attempt_under_way,
            state=state,
            operation_url=operation_url if state is AttemptState.ACCEPTED else None,
            failure=failure,
        )
        return replace(self, attempt=attempt)

    def _must_be_open(self, what: str) -> None:
        if not self.is_open:
            message = f"recovery {self.recovery_id} is closed ({self.outcome}): it cannot {what}"
            raise InvalidTransitionError(message)


def _lately(starts: tuple[datetime, ...], now: datetime) -> tuple[datetime, ...]:
    """Add a start request to those of the last hour."""
    return (*_within_an_hour(starts, now), now)


def _within_an_hour(times: tuple[datetime, ...], now: datetime) -> tuple[datetime, ...]:
    return tuple(time for time in times if now - time < STARTS_REMEMBERED)


def note(vm_id: VmId, row_id: str, now: datetime, told_by: SignalKind, reason: str) -> Recovery:
    """Make a row that is no recovery: it keeps an owner's or an operator's word about a VM that has no row yet."""
    return Recovery(vm_id, row_id, now, told_by, closed_at=now, reason=reason, recorded=True)
