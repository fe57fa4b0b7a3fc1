"""The first promise: no VM is ever started whose owner did not want it started."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from localazure.virtual.compute import RESIZER
from localazure.world.happenings import Annotated
from localazure.world.machines import PowerState
from soak.responder.seen import CLOCKS, LOOK, SLIP, conditions, is_stop, is_tagged, states
from spot_responder.decisions.evidence import FAILED_START_WINDOW, WEAK_STOP_WINDOW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localazure.world.machines import Machine
    from localazure.world.operations import ResizeCall
    from soak.responder.seen import Seen, Told


def unsafe_starts(seen: Seen) -> Iterator[str]:
    """Say of each start that should not have been why."""
    for at, vm_id in seen.faults.starts:
        machine = seen.azure.world.machine(vm_id)
        why = _why_unsafe(seen, machine, at)
        if why:
            yield f"safe: {machine.name} was started at {at:%d %H:%M:%S}: {why}"


def unsafe_resizes(seen: Seen) -> Iterator[str]:
    """Say of each change of size that should not have been why."""
    for machine in seen.azure.world.machines():
        ours = [call for call in machine.resize_calls if call.caller == RESIZER]
        for number, call in enumerate(ours):
            why = (
                _why_unsafe(seen, machine, call.at)
                or _why_wrong(machine, call, ours[:number])
                or _why_blind(seen, machine, call)
            )
            if why:
                yield f"safe: {machine.name} was changed to {call.size} at {call.at:%d %H:%M:%S}: {why}"


def _why_wrong(machine: Machine, call: ResizeCall, before: list[ResizeCall]) -> str | None:
    """Say what is wrong with a change that a start would have been right for."""
    if call.power_state != PowerState.DEALLOCATED.value:
        return f"it was {call.power_state}"
    tags = [each.tags.get("SpotFallbackSizes", "") for each in conditions(machine, call.at - LOOK, call.at)]
    if not any(tags) or not any(_is_well_formed(tag) for tag in tags):
        return "its owner named no other sizes"
    named = {size for tag in tags for size in tag.split(",")}
    calls = [*before, call]
    had = {each.was for number, each in enumerate(calls) if each.was not in {one.size for one in calls[:number]}}
    return None if call.size in named | had else "its owner did not name that size, nor had it that size at first"


def _why_blind(seen: Seen, machine: Machine, call: ResizeCall) -> str | None:
    """Say what the owner changed after the last look before a change of size: it must have been refused then."""
    looks = [at for at, vm_key in seen.faults.reads if vm_key == machine.vm_id.lower() and at <= call.at]
    looked_at = max(looks, default=machine.created_at)
    given = [each for each in machine.resize_calls if each.caller != RESIZER and looked_at < each.at <= call.at]
    if given:
        return f"its owner gave it {given[-1].size} at {given[-1].at:%H:%M:%S}, which nobody had looked at"
    tags = [condition.tags.get("SpotFallbackSizes", "") for condition in conditions(machine, looked_at, call.at)]
    return "its owner changed the sizes in its tag after the last look" if len(set(tags)) > 1 else None


def _is_well_formed(tag: str) -> bool:
    return bool(tag) and not tag.endswith(SLIP)


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
