"""Which events of a document are about us, and when a notice is over. ``phases.py`` has what is done in between.

Called by ``step.py``. Removal from the document is how Azure says that an event is over, or cancelled.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from spot_agent.deciding.actions import RunHooks, StartUnits, StopHooks
from spot_agent.deciding.documents import EventType
from spot_agent.deciding.hook_words import notice_words
from spot_agent.deciding.memory import Acting
from spot_agent.deciding.plans import ALL_BY_S, PLANS, names, seconds_left
from spot_agent.deciding.recoveries import after_event
from spot_agent.deciding.state import Notice, Stage

if TYPE_CHECKING:
    from spot_agent.deciding.documents import ScheduledEvent
    from spot_agent.deciding.heard import DocumentRead
    from spot_agent.deciding.memory import Memory
    from spot_agent.deciding.state import Machine
    from spot_agent.deciding.turn import Turn

VANISHED_AFTER_S: Final = 1.5
"""An event is gone once it was absent for so long, so from more than one answer: one answer may be wrong."""
UNHEARD_FOR_S: Final = 130.0
"""What an earlier run began holds the recovery back for so long, and until its time is past, if the metadata service
does not say whether it is over. Its first answer after a boot may take two minutes."""
_HITS_AT_ONCE: Final = frozenset({EventType.REBOOT, EventType.REDEPLOY, EventType.FREEZE})
"""What comes without notice when hardware fails: shown as Started only after the VM is back."""


def see_document(turn: Turn, heard: DocumentRead) -> None:
    """Compare the document with what is known. An answer that was overtaken by a later one is left aside."""
    last = turn.memory.last_asked_at
    if last is not None and heard.asked_at < last:
        return
    turn.memory = replace(turn.memory, last_asked_at=heard.asked_at)
    machine = turn.memory.state.machine
    ours = [event for event in heard.document.events if machine is None or names(event, machine.name)]
    for event in ours:
        _see(turn, event, is_first=last is None)
    shown = frozenset(event.id.casefold() for event in ours)
    turn.memory = replace(turn.memory, shown=shown)
    for notice in turn.memory.state.notices:
        if notice.is_open and notice.event.id.casefold() not in shown and not heard.document.unreadable:
            _miss(turn, notice)


def learn_name(turn: Turn, machine: Machine) -> None:
    """Decide about events that came while our own name was not known."""
    turn.memory = turn.memory.with_state(replace(turn.memory.state, machine=machine))
    for notice in turn.memory.state.open_notices():
        if notice.is_ours is not None:
            continue
        if names(notice.event, machine.name):
            turn.put(replace(notice, is_ours=True))
        else:
            close(turn, notice, "not about this VM")


def adopt(memory: Memory, notice: Notice, left_s: float | None, monotonic: float) -> Memory:
    """Go on with what an earlier run of this boot began."""
    deadline = None if left_s is None else monotonic + left_s
    acting = Acting(monotonic, deadline, is_adopted=True)
    taken = replace(notice, run_id=memory.state.run_id)
    return memory.with_notice(taken).with_acting(notice.event.id, acting)


def close(turn: Turn, notice: Notice, how: str = "") -> None:
    """Be done with a notice; ``how`` is written down if it is not known yet."""
    turn.put(replace(notice, stage=Stage.CLOSED, run_id=turn.memory.state.run_id))
    turn.memory = turn.memory.with_acting(notice.event.id, None)
    if how:
        turn.record(notice, how, "ok")


def _see(turn: Turn, event: ScheduledEvent, *, is_first: bool) -> None:
    state = turn.memory.state
    notice = state.notice(event.id)
    if notice and event.type is EventType.UNKNOWN:  # a word that Azure adds; what is under way goes on
        event = replace(event, type=notice.event.type, type_name=notice.event.type_name)
    is_ahead = notice is not None and notice.boot_id == state.boot_id and is_scheduled_eviction(event)
    if notice is None:
        _note(turn, event, is_first=is_first)
    elif notice.is_open and notice.run_id == state.run_id:
        _update(turn, notice, event)
    elif is_ahead or is_to_come(event, turn):
        _note_again(turn, notice, event)
    elif notice.is_open:
        close(turn, notice, "over")


def is_scheduled_eviction(event: ScheduledEvent) -> bool:
    """Whether it is an eviction that Azure still shows as ahead. In one boot that counts more than the VM's clock."""
    return event.type.is_eviction and not event.is_started


def is_to_come(event: ScheduledEvent, turn: Turn) -> bool:
    """Whether it has not happened yet, as far as its own words go."""
    if event.is_started or event.type is EventType.UNKNOWN:
        return False
    if event.not_before is None:
        return not event.type.is_eviction
    return event.not_before > turn.now.wall


def _note(turn: Turn, event: ScheduledEvent, *, is_first: bool) -> None:
    state = turn.memory.state
    notice = Notice(event, turn.now.wall, state.boot_id, state.run_id, seconds_left(event, turn.now), _is_ours(turn))
    if event.type is EventType.UNKNOWN:
        turn.put(replace(notice, stage=Stage.CLOSED))
        turn.record(notice, "detected", "this type of event is not known: nothing is done")
    elif is_first and turn.memory.has_booted_since and event.is_started and event.type in _HITS_AT_ONCE:
        # The VM has just come back, and this is shown as Started: it is what took the VM down.
        turn.put(replace(notice, stage=Stage.CLOSED))
        if notice.is_ours:
            after_event(turn, notice, had_notice=False)
        turn.record(notice, "over", "ok")
    else:
        turn.put(notice)
        turn.put_acting(notice, turn.acting(notice))
        turn.record(notice, "detected", "ok")


def _is_ours(turn: Turn) -> bool | None:
    """Say whether what is looked at is about us: only that is, once our name is known."""
    return True if turn.memory.state.machine else None


def _note_again(turn: Turn, notice: Notice, event: ScheduledEvent) -> None:
    """Begin anew: it was cancelled and is shown again, or the VM was restarted before it came."""
    state = turn.memory.state
    again = replace(
        notice,
        event=replace(event, id=notice.event.id),
        boot_id=state.boot_id,
        run_id=state.run_id,
        seconds_left=seconds_left(event, turn.now),
        is_ours=_is_ours(turn),
        stage=Stage.NOTED,
        is_acknowledged=False,
        hooks_done=(),
    )
    turn.put(again)
    turn.put_acting(again, turn.acting(again))
    turn.record(again, "detected", "ok")


def _update(turn: Turn, notice: Notice, event: ScheduledEvent) -> None:
    """Note what changed. The id is kept as it was written first: messages must not get another one."""
    changed = replace(notice, event=replace(event, id=notice.event.id))
    acting = replace(turn.acting(notice), missing_since=None)
    if event.is_started and not notice.event.is_started:
        acting = replace(acting, deadline=turn.now.monotonic)
        turn.record(changed, "started", "ok")
    turn.put(changed)
    turn.put_acting(changed, acting)


def _miss(turn: Turn, notice: Notice) -> None:
    if notice.run_id != turn.memory.state.run_id:
        close(turn, notice, "over")  # the recovery after that run's end has the rest
        return
    acting = turn.acting(notice)
    if notice.stage is Stage.UNDOING:
        return
    if acting.missing_since is None:
        turn.put_acting(notice, replace(acting, missing_since=turn.now.monotonic))
    elif turn.now.monotonic - acting.missing_since >= VANISHED_AFTER_S:
        _vanished(turn, notice, acting, acting.missing_since)


def _vanished(turn: Turn, notice: Notice, acting: Acting, missing_since: float) -> None:
    is_early = acting.deadline is None or missing_since < acting.deadline
    is_cancelled = is_early and not notice.event.is_started
    if notice.stage is Stage.NOTED:
        close(turn, notice, "cancelled" if is_cancelled else "over")
        return
    for run in sorted(acting.under_way):
        turn.do(StopHooks(run))
    turn.put(replace(notice, stage=Stage.UNDOING))
    if is_cancelled:
        _undo(turn, notice)
        return
    turn.record(notice, "over", "ok")
    if PLANS[notice.event.type].drains:
        after_event(turn, notice, had_notice=True)


def _undo(turn: Turn, notice: Notice) -> None:
    """Let the work go on: nothing happens to the VM."""
    state, event_id = turn.memory.state, notice.event.id
    plan = PLANS[notice.event.type]
    variables, details = notice_words(notice, "Cancelled", None, state)
    run = f"{event_id}/cancelled"
    turn.begin_run(notice, run)
    turn.do(RunHooks(run, "cancelled", None, ALL_BY_S, ALL_BY_S, variables, details))
    turn.record(notice, "cancelled", "ok", "Cancelled")
    others = [
        one
        for one in state.open_notices()
        if one.event.id != event_id and one.stage is not Stage.NOTED and PLANS[one.event.type].stops_units
    ]
    # Where another event still needs them stopped, or a recovery will start them, they stay as they are.
    if turn.memory.settings.has_units and plan.stops_units and not others and not state.recovery:
        turn.begin_run(notice, f"{event_id}/start-units")
        turn.do(StartUnits(f"{event_id}/start-units"))
