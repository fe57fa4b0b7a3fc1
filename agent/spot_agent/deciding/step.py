"""The agent's decisions, in one function: what is known, what was heard and the time in; what is to be done out.

``agent.py`` calls it for everything that reaches the agent. What is heard only changes what is known; ``_advance`` then
looks at what is known and has done what is due. So nothing depends on the order in which things arrive.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from spot_agent.deciding import notices, outbox, phases, recoveries
from spot_agent.deciding.actions import End, Record
from spot_agent.deciding.heard import (
    OK,
    Acknowledged,
    DocumentRead,
    HookEnded,
    HooksOver,
    MachineRead,
    Sent,
    StopAsked,
    TimePassed,
    UnitsDone,
)
from spot_agent.deciding.memory import Memory, Outgoing
from spot_agent.deciding.messages import late
from spot_agent.deciding.notices import adopt
from spot_agent.deciding.plans import seconds_left
from spot_agent.deciding.recoveries import recovery_id
from spot_agent.deciding.state import Recovery, Stage, State
from spot_agent.deciding.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from spot_agent.deciding.actions import Action
    from spot_agent.deciding.heard import Heard
    from spot_agent.deciding.memory import Settings
    from spot_agent.deciding.state import Notice
    from spot_agent.deciding.times import Now


def begin(  # noqa: PLR0913 - all that a run finds when it begins
    previous: State | None,
    settings: Settings,
    now: Now,
    *,
    boot_id: str,
    run_id: str,
    booted_at: datetime | None,
    alive_at: datetime | None,
    was_clean: bool,
    is_state_lost: bool = False,
) -> Memory:
    """Put together what a new run knows. ``previous`` is what the run before left; ``alive_at``: when it last lived.

    ``is_state_lost``: there was a state, and it cannot be read; what was to be recovered is not known, so all is.
    """
    before = previous or State(boot_id, "")
    recovery = recoveries.after_end(before, boot_id, alive_at, was_clean=was_clean) if previous else None
    if is_state_lost:
        recovery = Recovery(recovery_id(run_id), alive_at, had_notice=False, event_id=None, boot_id="")
    unsent = tuple(map(late, before.unsent))
    state = replace(before, boot_id=boot_id, run_id=run_id, recovery=recovery, unsent=unsent)
    kept = {one.id: Outgoing(one, now.monotonic, now.monotonic) for one in unsent}
    memory = Memory(
        state,
        settings,
        booted_at=booted_at,
        has_booted_since=before.boot_id != boot_id,
        recovers_from=now.monotonic + recoveries.FIRST_DOCUMENT_WITHIN_S,
        outbox=kept if settings.has_queue else {},
    )
    # Our process ended, not the VM: until Azure shows an event no longer it is not over, whether it has started or not.
    for notice in before.notices:
        if notice.is_open and notice.boot_id == boot_id and notice.stage is not Stage.UNDOING:
            memory = adopt(memory, notice, seconds_left(notice.event, now), now.monotonic)
    return memory


def step(memory: Memory, heard: Heard, now: Now) -> tuple[Memory, tuple[Action, ...]]:
    """Say what follows from what was heard."""
    turn = Turn(memory, now)
    HEARS[type(heard)](turn, heard)
    _advance(turn)
    return turn.memory, tuple(turn.actions)


def is_ready(memory: Memory) -> bool:
    """Whether the VM takes work: what ``/health`` answers."""
    return memory.state.recovery is None and not any(map(phases.drains, memory.state.open_notices()))


def next_at(memory: Memory, monotonic: float) -> float | None:
    """Say when the next look is due though nothing is heard, by the monotonic clock."""
    times = [at for notice in memory.state.open_notices() for at in phases.next_at(memory, notice)]
    times += [one.next_at for one in memory.outbox.values() if not one.is_under_way]
    if memory.state.recovery and not memory.recovering.run:
        times += [memory.recovering.retry_at, memory.recovers_from]
    return min((at for at in times if at > monotonic), default=None)


def _advance(turn: Turn) -> None:
    for notice in turn.memory.state.open_notices():
        phases.advance(turn, notice)
    is_drained = any(map(phases.drains, turn.memory.state.open_notices()))
    is_held = is_drained or turn.memory.is_stopping or _is_first_document_due(turn)
    recoveries.advance(turn, is_held=is_held)
    outbox.advance(turn)
    if turn.memory.last_asked_at is not None:
        turn.memory = turn.memory.with_state(turn.memory.state.pruned(turn.memory.shown))
    if turn.memory.is_stopping and not _is_under_way(turn.memory):
        turn.do(End())


def _is_first_document_due(turn: Turn) -> bool:
    """Whether the metadata service may still say in time that an event is ahead, so that no recovery should begin."""
    return turn.memory.last_asked_at is None and turn.now.monotonic < turn.memory.recovers_from


def _is_under_way(memory: Memory) -> bool:
    is_telling = any(not one.is_given_up for one in memory.outbox.values())
    return bool(is_telling or memory.recovering.run or any(map(phases.is_under_way, memory.state.open_notices())))


def _hear_machine(turn: Turn, heard: MachineRead) -> None:
    notices.learn_name(turn, heard.machine)


def _hear_hook(turn: Turn, heard: HookEnded) -> None:
    notice = _of_run(turn, heard.run)
    if notice:
        phases.hear_hook(turn, notice, heard)
    else:
        recoveries.hear_hook(turn, heard)


def _hear_hooks_over(turn: Turn, heard: HooksOver) -> None:
    notice = _of_run(turn, heard.run)
    if notice:
        phases.hear_over(turn, notice, heard.run)
    else:
        recoveries.hear_over(turn, heard.run, OK)


def _hear_units(turn: Turn, heard: UnitsDone) -> None:
    notice = _of_run(turn, heard.run)
    if notice:
        turn.record(notice, heard.run.rpartition("/")[2], heard.outcome)
        if heard.outcome != OK:
            phases.note_failure(turn, notice)
        phases.hear_over(turn, notice, heard.run)
    else:
        recoveries.hear_over(turn, heard.run, heard.outcome)


def _hear_acknowledged(turn: Turn, heard: Acknowledged) -> None:
    notice = turn.memory.state.notice(heard.event_id)
    if notice and notice.is_open:
        phases.hear_acknowledged(turn, notice, heard)


def _hear_stop(turn: Turn, _heard: StopAsked) -> None:
    turn.memory = replace(turn.memory, is_stopping=True)
    turn.do(Record(turn.now.wall, "", "Agent", "", "stopping", OK))


def _hear_nothing(_turn: Turn, _heard: TimePassed) -> None:
    """Only what is due is done."""


HEARS: Final[Mapping[type, Callable[[Turn, Any], None]]] = {
    DocumentRead: notices.see_document,
    MachineRead: _hear_machine,
    HookEnded: _hear_hook,
    HooksOver: _hear_hooks_over,
    UnitsDone: _hear_units,
    Acknowledged: _hear_acknowledged,
    Sent: outbox.hear_sent,
    StopAsked: _hear_stop,
    TimePassed: _hear_nothing,
}
"""One for each kind of what may be heard."""


def _of_run(turn: Turn, run: str) -> Notice | None:
    for event_id, acting in turn.memory.acting.items():
        if run in acting.under_way:
            return turn.memory.state.notice(event_id)
    return None
