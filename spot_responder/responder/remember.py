"""Keeps what is known of an owner's wish, whatever else is decided: in the VM's row, or in a note where it has none.

Called by ``act.py``, by ``responder.py`` in dry run, and by ``unanswered.py`` for a VM that cannot be read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from spot_responder.decisions.evidence import Evidence
from spot_responder.decisions.pools import pool_of
from spot_responder.decisions.recoveries import Recovery, note
from spot_responder.decisions.rules.absences import is_gone
from spot_responder.decisions.situations import Decision, Ignore, Requeue, Situation
from spot_responder.intake.signals import SignalKind
from spot_responder.intake.vms import PowerState, tag_value
from spot_responder.intake.work_queue_names import WORK_TAG
from spot_responder.responder.ports import Stored

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from spot_responder.intake.signals import Signal
    from spot_responder.intake.vms import Vm
    from spot_responder.responder.gather import Gathered
    from spot_responder.responder.ports import Store


async def remember(
    gathered: Gathered, decision: Decision, now: datetime, store: Store, new_id: Callable[[], str]
) -> None:
    """Keep the evidence about an owner's wish. Writes only what is new; deletes the note of a VM that is not covered.

    Raises:
        ChangedMeanwhileError: if the row was changed by somebody else.
        StoreFailedError: if it could not be saved.
    """
    situation = gathered.situation
    if situation.kind is SignalKind.AGENT_NOTICED:
        # It says nothing of the owner's wish, and is kept only in a recovery that it opens.
        return
    before = situation.recovery
    is_covered = not isinstance(decision, Ignore) or decision.remember
    if before is not None and before.is_note_of_an_unseen_vm and situation.vm is not None and not is_covered:
        await store.forget(Stored(before, gathered.etag))
        return
    row = _row(situation, decision, now, new_id) if before is not None or is_covered else None
    if row is not None and is_covered:
        row = _with_pool(row, situation)
    if row is not None and row != before:
        await store.save(row, gathered.etag)


def note_of_a_stop(signal: Signal, now: datetime, row_id: str) -> Recovery:
    """Make the row of a VM that its owner stopped, as a signal says, and that has no row yet."""
    noted = note(signal.vm_id, row_id, now, signal.kind, "its owner stopped it, as an event told")
    return replace(noted, evidence=Evidence().with_signal(signal))


def _row(situation: Situation, decision: Decision, now: datetime, new_id: Callable[[], str]) -> Recovery | None:
    if situation.recovery is not None:
        return replace(situation.recovery, evidence=_evidence_to_keep(situation, now))
    evidence = _evidence_to_keep(situation, now)
    is_new = evidence.owner_stopped_at is not None or _must_know_when_it_ran(evidence, situation.vm)
    if not is_new or not _is_kept(situation, decision):
        return None
    return replace(note(situation.vm_id, new_id(), now, situation.kind, decision.reason), evidence=evidence)


def _with_pool(row: Recovery, situation: Situation) -> Recovery:
    """Note in which pool a VM is. From then on its row is kept also while the VM is not covered."""
    seen = situation.vm or situation.shown
    return replace(row, pool=pool_of(seen)) if seen and row.pool is None else row


def _evidence_to_keep(situation: Situation, now: datetime) -> Evidence:
    if is_gone(situation, now):
        # A new VM of this name must not inherit the wish of the old one's owner.
        return Evidence()
    runs = situation.vm is not None and situation.vm.power_state is PowerState.RUNNING
    # What was told late is over: it must not outweigh what comes later.
    return situation.evidence.seen_running(now) if runs and situation.open_recovery is None else situation.evidence


def _must_know_when_it_ran(evidence: Evidence, vm: Vm | None) -> bool:
    """Whether a start must be kept although no stop is known.

    A VM that serves a work queue goes down by itself, with no eviction to outweigh an owner's stop that is told late.
    """
    ran = evidence.settled_at or evidence.started_at
    return ran is not None and vm is not None and tag_value(vm.tags, WORK_TAG) is not None


def _is_kept(situation: Situation, decision: Decision) -> bool:
    """Whether it gets a row of its own: of a VM that is shown, or that is asked for again (``Requeue``)."""
    return situation.vm is not None or situation.shown is not None or isinstance(decision, Requeue)
