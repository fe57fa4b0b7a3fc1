"""The first promise: no VM is ever started whose owner did not want it started."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from localazure.world.happenings import Annotated
from localazure.world.machines import PowerState
from soak.responder.seen import CLOCKS, LOOK, conditions, is_stop, is_tagged, states
from spot_responder.decisions.evidence import FAILED_START_WINDOW, WEAK_STOP_WINDOW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localazure.world.machines import Machine
    from soak.responder.seen import Seen, Told


def unsafe_starts(seen: Seen) -> Iterator[str]:
    """Say of each start that should not have been why."""
    for at, vm_id in seen.faults.starts:
        machine = seen.azure.world.machine(vm_id)
        why = _why_unsafe(seen, machine, at)
        if why:
            yield f"safe: {machine.name} was started at {at:%d %H:%M:%S}: {why}"


def _why_unsafe(seen: Seen, machine: Machine, at: datetime) -> str | None:
    if seen.deployment.dry_run:
        return "dry run"
    if not machine.is_spot:
        return "not Spot"
    if seen.restores_itself(machine):
        return "its scale set restores it"
    lately = list(conditions(machine, at - LOOK, at))
    if not any(is_tagged(condition.tags) for condition in lately):
        return "not tagged"
    if not any(condition.power_state is PowerState.DEALLOCATED for condition in lately):
        return "not deallocated"
    if _is_held(seen, machine.vm_id.lower(), at):
        return "an operator holds it"
    stop = next((told for told in seen.told if _forbids(seen, told, machine, at)), None)
    if stop is None:
        return None
    return f"its owner stopped it at {stop.happening.occurred_at:%d %H:%M:%S}, told {stop.at:%H:%M:%S}"


def _is_held(seen: Seen, vm_key: str, at: datetime) -> bool:
    """Whether its row said so for all the time that the start may rest on."""
    words = seen.holds.get(vm_key, [])
    before = [held for since, held in words if since <= at - LOOK]
    return before[-1:] == [True] and all(held for since, held in words if at - LOOK < since <= at)


def _forbids(seen: Seen, told: Told, machine: Machine, at: datetime) -> bool:
    """Whether the app knew of an owner's stop that still held when it started the VM."""
    stopped_at = told.happening.occurred_at
    if told.happening.vm_id != machine.vm_id or told.at > at - LOOK or not is_stop(told.happening):
        return False
    if not all(is_tagged(each.tags) for each in conditions(machine, told.at - LOOK, told.at)):
        return False
    is_weak = isinstance(told.happening, Annotated)
    evicted_at = max((time for time in machine.evictions if time <= at), default=None)
    patience = WEAK_STOP_WINDOW if is_weak else timedelta()
    if evicted_at is not None and stopped_at <= evicted_at + patience:
        return False
    if is_weak and _is_near_a_start_of_ours(seen, machine, stopped_at, told.at):
        return False
    return not any(state in {PowerState.RUNNING, PowerState.STARTING} for state in states(machine, stopped_at, at))


def _is_near_a_start_of_ours(seen: Seen, machine: Machine, stopped_at: datetime, told_at: datetime) -> bool:
    window = FAILED_START_WINDOW + CLOCKS
    return any(stopped_at - window <= at <= min(told_at, stopped_at + CLOCKS) for at in seen.starts_of(machine))
