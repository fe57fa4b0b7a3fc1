"""The phases of a notice: drain, tell, save what is essential, the rest, acknowledge. Each may be the last.

``advance`` looks how far a notice is and has done what is due; it is called after everything that was heard.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from spot_agent.deciding import outbox, plans
from spot_agent.deciding.actions import Acknowledge, Flush, RunHooks, StopUnits
from spot_agent.deciding.heard import OK
from spot_agent.deciding.hook_words import notice_words
from spot_agent.deciding.messages import notice_message
from spot_agent.deciding.notices import UNHEARD_FOR_S, close
from spot_agent.deciding.plans import PLANS
from spot_agent.deciding.recoveries import after_event
from spot_agent.deciding.state import Stage

if TYPE_CHECKING:
    from spot_agent.deciding.heard import Acknowledged, HookEnded
    from spot_agent.deciding.memory import Acting, Memory
    from spot_agent.deciding.plans import Plan
    from spot_agent.deciding.state import Notice
    from spot_agent.deciding.turn import Turn

ACKNOWLEDGE_AGAIN_S: Final = 5.0
LONGEST_HOOK_S: Final = 240.0
"""The longest limit of a hook before maintenance, which Azure announces 5 to 15 minutes ahead."""
MARGIN_S: Final = 10.0
"""Hooks before maintenance end so long before NotBefore."""
_BEGUN: Final = frozenset({Stage.ACTING, Stage.SAVED})


def drains(notice: Notice) -> bool:
    """Whether the VM takes no work because of this notice.

    While our own name is not known, draining is all that is done: it can be undone.
    """
    if not PLANS[notice.event.type].drains:
        return False
    return notice.is_ours is None or notice.stage is not Stage.NOTED


def is_under_way(notice: Notice) -> bool:
    """Whether phases are going on, so that the agent should not end."""
    return notice.stage in _BEGUN or notice.stage is Stage.UNDOING


def advance(turn: Turn, notice: Notice) -> None:
    """Have done what is due for this notice."""
    if notice.is_ours:
        notice = _tell(turn, notice)
        if notice.stage is Stage.NOTED:
            notice = _begin(turn, notice)
        elif notice.stage in _BEGUN and _is_new_to_us(turn, notice):
            notice = _go_on(turn, notice)
    if notice.stage is Stage.ACTING:
        notice = _save(turn, notice)
    if notice.stage is Stage.SAVED:
        notice = _finish(turn, notice)
    if notice.stage is Stage.UNDOING and not turn.acting(notice).under_way:
        close(turn, notice)
        return
    _acknowledge(turn, notice)
    _let_go(turn, notice)


def hear_hook(turn: Turn, notice: Notice, heard: HookEnded) -> None:
    """Write down how a hook ended; what ended well is not run again after a crash."""
    if heard.outcome == OK:
        turn.put(replace(notice, hooks_done=(*notice.hooks_done, heard.hook)))
    else:
        note_failure(turn, notice)
    folder = "cancelled" if heard.run.endswith("/cancelled") else PLANS[notice.event.type].folder
    turn.record(notice, f"hook {folder}/{heard.hook}", f"{heard.outcome} after {heard.seconds:.1f} s")


def note_failure(turn: Turn, notice: Notice) -> None:
    """Note that a hook or the units did not end well: the phase must not be called ok."""
    acting = turn.acting(notice)
    turn.put_acting(notice, replace(acting, failed=acting.failed + 1))


def hear_over(turn: Turn, notice: Notice, run: str) -> None:
    """Hooks or units of a notice are done."""
    acting = turn.acting(notice)
    turn.put_acting(notice, replace(acting, under_way=acting.under_way - {run}))


def hear_acknowledged(turn: Turn, notice: Notice, heard: Acknowledged) -> None:
    """Azure has it, or the next try is due later."""
    turn.record(notice, "acknowledged", heard.outcome)
    if heard.outcome == OK:
        turn.put(replace(notice, is_acknowledged=True))


def next_at(memory: Memory, notice: Notice) -> list[float]:
    """Say when, by the monotonic clock, this notice may need a look though nothing is heard."""
    acting = memory.acting[notice.event.id]
    times = (
        acting.since + plans.ESSENTIAL_BY_S,
        acting.acknowledge_at,
        _let_go_at(acting) if acting.is_adopted else None,
    )
    return [at for at in times if at is not None]


def _tell(turn: Turn, notice: Notice) -> Notice:
    machine = turn.memory.state.machine
    if notice.is_told or machine is None:
        return notice
    told = replace(notice, is_told=True)
    turn.put(told)
    outbox.tell(turn, notice_message(notice, machine, turn.memory.state.boot_id, turn.now))
    return told


def _begin(turn: Turn, notice: Notice) -> Notice:
    machine = turn.memory.state.machine
    if machine is None or not plans.is_due(notice.event, machine.name, turn.now):
        return notice
    plan = PLANS[notice.event.type]
    begun = replace(notice, stage=Stage.ACTING)
    turn.put(begun)
    if plan.drains:
        turn.record(begun, "drained", OK)
    return _go_on(turn, begun)


def _is_new_to_us(turn: Turn, notice: Notice) -> bool:
    """Whether an earlier run began it, and this one has nothing of it under way yet."""
    acting = turn.acting(notice)
    return acting.is_adopted and not acting.is_begun


def _go_on(turn: Turn, notice: Notice) -> Notice:
    plan = PLANS[notice.event.type]
    turn.put_acting(notice, replace(turn.acting(notice), since=turn.now.monotonic, is_begun=True))
    _run_hooks(turn, notice, plan, is_essential=True)
    if plan.stops_units and turn.memory.settings.has_units:
        run = f"{notice.event.id}/stop-units"
        turn.begin_run(notice, run)
        turn.do(StopUnits(run))
    return notice


def _run_hooks(turn: Turn, notice: Notice, plan: Plan, *, is_essential: bool) -> None:
    run = f"{notice.event.id}/{'essential' if is_essential else 'later'}"
    acting = turn.acting(notice)
    left = None if acting.deadline is None else max(acting.deadline - turn.now.monotonic, 0.0)
    variables, details = notice_words(notice, notice.event.status, left, turn.memory.state)
    usual = max(acting.since + plans.ALL_BY_S - turn.now.monotonic, 0.0)
    longest = usual
    if not notice.event.type.is_eviction:
        longest = max(usual, LONGEST_HOOK_S if left is None else min(left - MARGIN_S, LONGEST_HOOK_S))
    turn.begin_run(notice, run)
    turn.do(RunHooks(run, plan.folder, is_essential, usual, longest, variables, details, notice.hooks_done))


def _save(turn: Turn, notice: Notice) -> Notice:
    """Let the rest begin once what is essential is over, or its time is."""
    acting = turn.acting(notice)
    is_over = not acting.under_way
    if not is_over and turn.now.monotonic < acting.since + plans.ESSENTIAL_BY_S:
        return notice
    saved = replace(notice, stage=Stage.SAVED)
    turn.put(saved)
    turn.do(Flush())
    turn.record(saved, "essential", _outcome(acting) if is_over else f"not over after {plans.ESSENTIAL_BY_S:.0f} s")
    return saved


def _finish(turn: Turn, notice: Notice) -> Notice:
    acting = turn.acting(notice)
    if not acting.is_later_decided:
        left = None if acting.deadline is None else acting.deadline - turn.now.monotonic
        turn.put_acting(notice, replace(acting, is_later_decided=True))
        if left is None or left >= plans.ENOUGH_FOR_ALL_S:
            _run_hooks(turn, notice, PLANS[notice.event.type], is_essential=False)
        else:
            turn.record(notice, "rest", f"left out: {max(left, 0.0):.0f} s left")
    if turn.acting(notice).under_way:
        return notice
    finished = replace(notice, stage=Stage.FINISHED)
    turn.put(finished)
    turn.do(Flush())
    turn.record(finished, "finished", _outcome(turn.acting(finished)))
    return finished


def _outcome(acting: Acting) -> str:
    return f"over, {acting.failed} failed" if acting.failed else OK


def _acknowledge(turn: Turn, notice: Notice) -> None:
    """Let Azure go on, where the event is about us alone."""
    rule = PLANS[notice.event.type].acknowledge
    is_time = (rule is plans.Acknowledge.WHEN_FINISHED and notice.stage is Stage.FINISHED) or (
        rule is plans.Acknowledge.AT_ONCE_IF_SHORT
        and notice.stage not in {Stage.NOTED, Stage.UNDOING}
        and plans.is_short_freeze(notice.event)
    )
    machine = turn.memory.state.machine
    if not is_time or notice.is_acknowledged or notice.event.is_started or machine is None:
        return
    if _is_another_under_way(turn, notice):
        return
    acting = turn.acting(notice)
    is_early = acting.acknowledge_at is not None and turn.now.monotonic < acting.acknowledge_at
    if is_early or not plans.names_alone(notice.event, machine.name):
        return
    turn.put_acting(notice, replace(acting, acknowledge_at=turn.now.monotonic + ACKNOWLEDGE_AGAIN_S))
    turn.do(Acknowledge(notice.event.id))


def _is_another_under_way(turn: Turn, notice: Notice) -> bool:
    """Whether work is being saved because of another event: Azure must not begin this one meanwhile."""
    others = (one for one in turn.memory.state.open_notices() if one.event.id != notice.event.id)
    return any(map(is_under_way, others))


def _let_go(turn: Turn, notice: Notice) -> None:
    """Stop waiting for word of what an earlier run began, where the metadata service does not answer at all."""
    acting = turn.acting(notice)
    is_heard = not acting.is_adopted or turn.memory.last_asked_at is not None
    if is_heard or is_under_way(notice) or turn.now.monotonic < _let_go_at(acting):
        return
    close(turn, notice, "over")
    if notice.stage is Stage.FINISHED and drains(notice):
        after_event(turn, notice, had_notice=True)


def _let_go_at(acting: Acting) -> float:
    return max(acting.since + UNHEARD_FOR_S, acting.deadline or 0.0)
