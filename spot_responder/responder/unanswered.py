"""What becomes of a message whose VM could not be read, or whose row could not be read or saved.

The message is requeued, ever later (``decisions/pauses.py``). Once that has lasted, the VM's recovery waits in
its place, so that an operator sees what is wrong. Called by ``responder.py``.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.app_health.app_failures import Activity, Failing
from spot_responder.decisions.evidence import Evidence, Verdict
from spot_responder.decisions.pauses import REQUEUE, REQUEUE_MAX, requeue_delay
from spot_responder.decisions.policy import LASTS, LONGEST_DELAY, NOTICE_HOLDS, RestartWhen
from spot_responder.decisions.publishing.notices import noticed_if_it_lasts
from spot_responder.decisions.situations import Situation, Wait
from spot_responder.demand.standings import ASKED_HOLDS
from spot_responder.intake.azure_errors import ROW_CHANGED, Failure, FailureKind
from spot_responder.intake.own_messages import requeued, requeues
from spot_responder.intake.payloads import UnreadableEvent
from spot_responder.intake.signals import Inbox, Signal, SignalKind, Source
from spot_responder.responder.failure_notes import FailureNotes
from spot_responder.responder.gather import Gathered
from spot_responder.responder.log import log_denied, log_lasting, log_let_go, log_requeued, log_unreadable
from spot_responder.responder.ports import AzureRefusedError, ChangedMeanwhileError, Stored, StoreFailedError
from spot_responder.responder.remember import note_of_a_stop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.responder.act import Actor
    from spot_responder.responder.ports import Ports
    from spot_responder.settings import Settings

HINT_HOLDS: Final = timedelta(days=1)
"""How long a signal is kept that may not be looked into: it may matter once the app has the right."""

CROWDED: Final = timedelta(seconds=5)
"""How long a message waits, up to twice that, whose VM's row other workers changed at each try: chance spreads them."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Deals with such messages. ``clock`` gives the time in UTC, ``jitter`` a number from 0 to 1."""

    ports: Ports
    actor: Actor
    settings: Settings
    clock: Callable[[], datetime]
    jitter: Callable[[], float]

    async def refused(self, signal: Signal, event: Mapping[str, object], refusal: AzureRefusedError) -> None:
        """Go on after Azure did not let the app read the VM.

        A find that has lasted, or whose recovery is open, is dropped, since a sweep finds it again; so is, if the app
        lacks the right, a signal that the VM is down. An eviction or an owner's stop is kept for a day: Azure sends it
        only once.
        """
        if signal.source is Source.AGENT:
            await self._agents_word(signal, event, refusal)
            return
        if refusal.failure.kind is FailureKind.DENIED:
            log_denied(signal, str(refusal), refusal.failure)
        since, row = self._since(event), None
        try:
            stored = await self._row(signal)
            row = stored.value
            if await self._waits_in_its_recovery(signal, stored, since, refusal):
                return
        except ChangedMeanwhileError as problem:
            log_requeued(signal, str(problem))
        except StoreFailedError as problem:
            await self.store_failed(signal, event, problem)
            return
        if self.clock() - since >= LASTS:
            await FailureNotes(self.ports.store).failing(Failing(Activity.LOOK, since, self.clock(), str(refusal)))
        if self._is_told_again(signal, row, since, refusal):
            log_let_go(signal, str(refusal))
            return
        await self._requeue(signal, event, refusal, self.settings.policy.slow_retry if _is_denied(refusal) else None)

    async def answered(self, event: Mapping[str, object]) -> None:
        """Note that looks succeed again, if the answered message had been requeued for long."""
        if self.clock() - self._since(event) >= LASTS:
            await FailureNotes(self.ports.store).success(Activity.LOOK)

    async def store_failed(self, signal: Signal, event: Mapping[str, object], problem: StoreFailedError) -> None:
        """Go on after the app's tables failed."""
        if signal.source is Source.AGENT:
            await self._agents_word(signal, event, problem)
            return
        since = self._since(event)
        if self.clock() - since >= LASTS:
            log_lasting(Activity.LOOK, since, str(problem), signal.vm_id)
        if signal.kind is SignalKind.STOPPED_BY_OWNER:
            # Another row may have failed: no start is to overtake the stop.
            with suppress(ChangedMeanwhileError, StoreFailedError):
                await self._row(signal)
        if signal.kind is SignalKind.SWEEP_FOUND:
            log_let_go(signal, str(problem))
        elif not problem.is_spare:
            await self._requeue(signal, event, problem)

    async def row_changed(self, signal: Signal, event: Mapping[str, object], problem: ChangedMeanwhileError) -> None:
        """Go on after other workers changed the VM's row at each try.

        The host would bring the message again as well, but only five times.
        """
        failure = Failure(FailureKind.CONFLICT, ROW_CHANGED, str(problem), CROWDED)
        await self.store_failed(signal, event, StoreFailedError(failure, "save what a message led to"))

    async def _agents_word(
        self, signal: Signal, event: Mapping[str, object], problem: AzureRefusedError | StoreFailedError
    ) -> None:
        """Requeue what an agent told, to the inbox that it came from: a notice for minutes, anything else for a day.

        No recovery waits in its place, and nothing is noted of how long it has lasted: its attributes prove nothing.
        """
        begun_at = self._since(event) if signal.is_only_noted else signal.occurred_at or self.clock()
        if self.clock() - begun_at >= (HINT_HOLDS if signal.is_only_noted else NOTICE_HOLDS):
            log_let_go(signal, str(problem))
            return
        await self._requeue(signal, event, problem)

    async def _requeue(
        self,
        signal: Signal,
        event: Mapping[str, object],
        problem: AzureRefusedError | StoreFailedError,
        after: timedelta | None = None,
    ) -> None:
        before = requeues(event)
        is_stop = signal.kind is SignalKind.STOPPED_BY_OWNER
        later, times = requeue_delay(before, problem.failure, self.jitter(), is_stop=is_stop)
        delay, since = after or later, self._since(event)
        try:
            again = requeued(event, replace(times, since=since))
        except UnreadableEvent as too_large:
            log_unreadable(str(too_large), signal.inbox)
            raise
        queue = self.ports.queue if signal.inbox is Inbox.SIGNALS else self.ports.agents
        if isinstance(problem, AzureRefusedError) and (lasts_at := since + LASTS) > self.clock():
            # However long the delay: at ``lasts_at`` the message is back, and the recovery can take its place.
            delay = max(min(delay, lasts_at - self.clock()), problem.failure.retry_after or timedelta())
        if signal.kind is SignalKind.WORK_WAITS and self._is_asked_again(signal, delay):
            log_let_go(signal, str(problem))
            return
        log_requeued(signal, f"{problem}; looking again in {delay.total_seconds():.0f} s")
        await queue.put(again, delay)

    async def _row(self, signal: Signal) -> Stored[Recovery | None]:
        """Load the VM's row, with an owner's stop written into it already: no start may overtake it.

        Without a row, a note is made of the stop. The first look that shows a VM which is not covered deletes it.
        """
        stored = await self.ports.store.load(signal.vm_id)
        if signal.kind is not SignalKind.STOPPED_BY_OWNER:
            return stored
        row = stored.value
        if row is None:
            noted = note_of_a_stop(signal, self.clock(), self.actor.new_id())
        else:
            noted = replace(row, evidence=row.evidence.with_signal(signal))
        return stored if noted == row else Stored(noted, await self.ports.store.save(noted, stored.etag))

    async def _waits_in_its_recovery(
        self, signal: Signal, stored: Stored[Recovery | None], since: datetime, refusal: AzureRefusedError
    ) -> bool:
        """Let the VM's recovery wait in place of the message, once that has lasted; answer whether it does.

        Raises:
            ChangedMeanwhileError: if somebody else changed the row.
            StoreFailedError: if it could not be saved.
        """
        now, row = self.clock(), stored.value
        if row and signal.sequence is not None and signal.sequence < row.sequence:
            # Another worker has gone on meanwhile: this follow-up is stale.
            return True
        known = row if row and row.is_open else None
        since = (known.obstacle_since if known else None) or since
        # If Azure says how long it will refuse, that counts as lasting at once.
        known_until = now + (refusal.failure.retry_after or timedelta())
        if self.settings.dry_run or known_until - since < LASTS or not self._may_wait(signal, row):
            return False
        evidence = (row.evidence if row else Evidence()).with_signal(signal)
        absence = known.absence if known else None
        situation = Situation(signal.vm_id, signal.kind, None, row, evidence, absence=absence, signal=signal)
        reason = f"it could not be looked at since {since:%Y-%m-%d %H:%M:%S}Z: {refusal.failure.said}"
        wait = Wait(now + self._delay(since, now, refusal), reason, obstacle_since=since)
        wait = noticed_if_it_lasts(wait, row, known_until)
        await self.actor.act(Gathered(situation, now, stored.etag), wait, now, self.jitter())
        return True

    def _is_told_again(self, signal: Signal, row: Recovery | None, since: datetime, refusal: AzureRefusedError) -> bool:
        """Whether a signal need not be kept: a sweep finds it again, or its recovery looks."""
        if signal.kind is not SignalKind.SWEEP_FOUND:
            return _is_denied(refusal) and self._is_over(signal)
        # Each sweep puts a new find: a find that no recovery can hold must not pile up as messages.
        if self.settings.dry_run or self.clock() - since >= LASTS:
            return True
        return (row is not None and row.is_open) or not self._may_wait(signal, row)

    def _is_asked_again(self, signal: Signal, delay: timedelta) -> bool:
        """Whether the work queue that asked for the VM may have asked for it or another one when this comes back."""
        return signal.occurred_at is not None and self.clock() + delay - signal.occurred_at >= ASKED_HOLDS

    def _may_wait(self, signal: Signal, row: Recovery | None) -> bool:
        """Whether a recovery of the VM is open, or is to be opened for what the signal says."""
        if row is not None and row.is_open:
            return True
        verdict = (row.evidence if row else Evidence()).with_signal(signal).verdict
        if verdict is Verdict.UNKNOWN and self.settings.policy.restart_when is RestartWhen.EVICTED:
            return False
        return signal.kind.says_down_and_covered and verdict is not Verdict.STOPPED_BY_OWNER

    def _since(self, event: Mapping[str, object]) -> datetime:
        """Give since when a message could not be answered; a time that the app cannot have noted counts as now."""
        now, noted = self.clock(), requeues(event).since
        return noted if noted is not None and now - LONGEST_DELAY <= noted <= now else now

    def _delay(self, since: datetime, now: datetime, refusal: AzureRefusedError) -> timedelta:
        """Give the time to the next look: each time a tenth of how long it has lasted."""
        if _is_denied(refusal):
            return self.settings.policy.slow_retry
        growing = min(max(REQUEUE, (now - since) / 10), REQUEUE_MAX) * (1 + self.jitter())
        return max(growing, refusal.failure.retry_after or timedelta())

    def _is_over(self, signal: Signal) -> bool:
        """Whether a signal need not be kept: it says only that the VM is down, or it is over a day old."""
        if signal.kind is SignalKind.UNAVAILABLE:
            return True
        return signal.occurred_at is not None and self.clock() - signal.occurred_at > HINT_HOLDS


def _is_denied(refusal: AzureRefusedError) -> bool:
    """Whether the app lacks a right. A missing token says nothing about rights, and may be there in a minute."""
    return refusal.failure.kind is FailureKind.DENIED and not refusal.failure.lacks_token
