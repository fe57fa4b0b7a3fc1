"""After the VM was down: the recovery, which is completed once before the VM takes work again.

One that was interrupted, by a notice or by the next power loss, is begun again under the same id.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid5

from spot_agent.deciding import outbox
from spot_agent.deciding.actions import RunHooks, StartUnits, StopHooks
from spot_agent.deciding.heard import OK
from spot_agent.deciding.hook_words import recovery_words
from spot_agent.deciding.memory import Recovering
from spot_agent.deciding.messages import ready_message
from spot_agent.deciding.plans import LONGEST_RECOVERY_S
from spot_agent.deciding.state import Ready, Recovery, Stage

if TYPE_CHECKING:
    from datetime import datetime

    from spot_agent.deciding.heard import HookEnded
    from spot_agent.deciding.state import Notice, State
    from spot_agent.deciding.turn import Turn

FIRST_DOCUMENT_WITHIN_S: Final = 2.0
"""So long a recovery waits for the first document, which may show what is ahead: it must not run beside its hooks. In a
boot that has been answered before it comes at once; the first one of a boot may take two minutes, which is too long."""
LIMIT_S: Final = 600.0
"""A recovery may fetch much; a hook that needs longer has a limit of its own in the configuration."""
PAUSES_S: Final = (5.0, 10.0, 30.0, 60.0, 300.0)
"""After a try that failed. The VM takes no work until one succeeds."""
_IDS: Final = UUID("5d7b1f0e-8a46-4a39-9c1e-6b0f7d2c4e11")


def recovery_id(of: str) -> str:
    """Give the id of the recovery after a run's end: the same whenever it is asked for, even if it was not written."""
    return str(uuid5(_IDS, of))


def after_end(previous: State, boot_id: str, alive_at: datetime | None, *, was_clean: bool) -> Recovery | None:
    """Say what is to be recovered after the run before this one."""
    begun = [one for one in previous.notices if one.is_open and one.stage is not Stage.NOTED]
    is_same_boot = previous.boot_id == boot_id
    if previous.recovery:
        return previous.recovery
    # After an end in order this run goes on with what had begun; only an undoing it cannot go on with.
    if was_clean and is_same_boot and all(one.stage is not Stage.UNDOING for one in begun):
        return None
    event_id = begun[-1].event.id if begun else None
    return Recovery(recovery_id(previous.run_id), alive_at, bool(begun), event_id, previous.boot_id)


def after_event(turn: Turn, notice: Notice, *, had_notice: bool) -> None:
    """See to it that the work goes on, after an event that we outlived."""
    state = turn.memory.state
    recovery = state.recovery
    if recovery is None and had_notice:
        new_id = recovery_id(f"{notice.event.id}/{state.run_id}/{turn.now.wall.isoformat()}")
        recovery = Recovery(new_id, None, had_notice, notice.event.id, state.boot_id)
    elif recovery is not None and recovery.event_id is None:
        recovery = replace(recovery, event_id=notice.event.id, had_notice=had_notice)
    turn.memory = turn.memory.with_state(replace(state, recovery=recovery))


def advance(turn: Turn, *, is_held: bool) -> None:
    """Begin, interrupt or tell, whatever is due. ``is_held``: a notice goes before it, or the agent is to end."""
    recovery, recovering = turn.memory.state.recovery, turn.memory.recovering
    if recovery is None:
        _tell(turn)
    elif recovering.run:
        if is_held and not recovering.is_interrupted:
            turn.memory = replace(turn.memory, recovering=replace(recovering, is_interrupted=True))
            turn.do(StopHooks(recovering.run))
    elif not is_held and turn.now.monotonic >= recovering.retry_at:
        _begin(turn, recovery, recovering)


def hear_hook(turn: Turn, heard: HookEnded) -> None:
    """Write down how a hook ended."""
    recovery, recovering = turn.memory.state.recovery, turn.memory.recovering
    if recovery is None or heard.run != recovering.run:
        return
    turn.record_recovery(recovery, f"hook recover/{heard.hook}", f"{heard.outcome} after {heard.seconds:.1f} s")
    if heard.outcome == OK:
        recovering = replace(recovering, hooks_done=(*recovering.hooks_done, heard.hook))
    else:
        recovering = replace(recovering, failed=f"{heard.hook}: {heard.outcome}")
    turn.memory = replace(turn.memory, recovering=recovering)


def hear_over(turn: Turn, run: str, outcome: str) -> None:
    """Go on to the next step once hooks or units are over, or try again."""
    recovery, recovering = turn.memory.state.recovery, turn.memory.recovering
    if recovery is None or run != recovering.run:
        return
    failed = recovering.failed or ("" if outcome == OK else outcome)
    if failed:
        _try_again(turn, recovery, recovering, failed)
    elif turn.memory.settings.has_units and not run.endswith(_UNITS):
        turn.memory = replace(turn.memory, recovering=replace(recovering, run=run + _UNITS))
        turn.do(StartUnits(run + _UNITS))
    else:
        turn.record_recovery(recovery, "recover", OK)
        state = turn.memory.state
        done = replace(state, recovery=None, ready=(*state.ready, Ready(recovery, turn.now.wall)))
        turn.memory = replace(turn.memory, recovering=Recovering()).with_state(done)


_UNITS: Final = "/units"


def _begin(turn: Turn, recovery: Recovery, recovering: Recovering) -> None:
    run = f"recover/{recovery.id}/{recovering.tries + 1}"
    turn.memory = replace(turn.memory, recovering=Recovering(run, recovering.tries + 1, recovering.hooks_done))
    variables, details = recovery_words(recovery, turn.memory.state)
    turn.record_recovery(recovery, "recovering", OK)
    turn.do(RunHooks(run, "recover", None, LIMIT_S, LONGEST_RECOVERY_S, variables, details, recovering.hooks_done))


def _try_again(turn: Turn, recovery: Recovery, recovering: Recovering, failed: str) -> None:
    if recovering.is_interrupted:
        turn.record_recovery(recovery, "recover", "interrupted")
        turn.memory = replace(turn.memory, recovering=Recovering(tries=recovering.tries))
        return
    pause = PAUSES_S[min(recovering.tries, len(PAUSES_S)) - 1]
    turn.record_recovery(recovery, "recover", f"failed, again in {pause:.0f} s: {failed}")
    again = Recovering(tries=recovering.tries, hooks_done=recovering.hooks_done, retry_at=turn.now.monotonic + pause)
    turn.memory = replace(turn.memory, recovering=again)


def _tell(turn: Turn) -> None:
    """Tell what is complete, once we know who we are."""
    state = turn.memory.state
    if state.machine is None:
        return
    turn.memory = turn.memory.with_state(replace(state, ready=()))
    for ready in state.ready:
        message = ready_message(
            ready.recovery,
            state.machine,
            boot_id=state.boot_id,
            booted_at=turn.memory.booted_at,
            ready_at=ready.ready_at,
            now=turn.now,
        )
        outbox.tell(turn, message)
