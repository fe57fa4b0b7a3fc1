"""The second promise: every tagged Spot VM that was evicted runs again, once nothing prevents it."""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from localazure.virtual.wire import RequestKind
from localazure.world.machines import PowerState
from soak.responder.seen import CLOCKS, LOOK, conditions, is_eviction, is_tagged
from spot_responder.decisions.policy import START_PATIENCE, RestartWhen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localazure.world.machines import Machine
    from soak.responder.seen import Seen

HOUR: Final = timedelta(hours=1)

UNREAD_FOR: Final = timedelta(minutes=72)
"""The longest pause after a read that was refused for want of rights."""

RESTORED_WITHIN: Final = timedelta(minutes=105)
"""From when nothing is wrong any more: a sweep, the longest delay (an hour and a fifth), and a start gone astray."""


def lost_vms(seen: Seen, calm_at: datetime) -> Iterator[str]:
    """Say of each VM that is down and should not be, or was so for too long, since when."""
    for machine in seen.azure.world.machines():
        if machine.deleted_at is None and is_lost(seen, machine):
            yield f"live: {machine.name} was evicted at {machine.evictions[-1]:%d %H:%M:%S} and is still down"
        elif _was_late(seen, machine, calm_at):
            since = f"{machine.running_at:%d %H:%M:%S}"
            yield f"live: {machine.name} runs since {since} only, calm was at {calm_at:%H:%M}"


def is_lost(seen: Seen, machine: Machine) -> bool:
    """Whether it is down and should not be."""
    if machine.power_state is not PowerState.DEALLOCATED or not machine.evictions:
        return False
    return seen.is_ours(machine) and _is_evicted(seen, machine)


def _is_evicted(seen: Seen, machine: Machine) -> bool:
    """Whether it went down by an eviction that its owner let stand, as far as the app can know."""
    evicted_at = machine.evictions[-1]
    if any(at >= evicted_at for at in machine.stop_calls):
        return False
    annotations = seen.azure.world.eviction_annotations
    if not annotations and owner_came_with_us(seen, machine):
        return False
    looks_like_a_stop = "VirtualMachineDeallocationInitiated" in annotations
    must_be_told = seen.deployment.policy.restart_when is RestartWhen.EVICTED or looks_like_a_stop
    # What Resource Graph does not show yet was not there when it was told.
    behind = LOOK + seen.faults.rates.longest_graph_lag
    return not must_be_told or any(
        is_eviction(told.happening, machine.vm_id, evicted_at)
        and all(is_tagged(each.tags) for each in conditions(machine, told.at - behind, told.at))
        for told in seen.told
    )


def owner_came_with_us(seen: Seen, machine: Machine) -> bool:
    """Whether its owner stopped it just after a start of ours: his own start then looks like that one's echo."""
    ours = seen.starts_of(machine)
    return any(timedelta() <= stop - at <= START_PATIENCE + CLOCKS for stop in machine.stop_calls for at in ours)


def _was_late(seen: Seen, machine: Machine, calm_at: datetime) -> bool:
    if not seen.is_ours(machine) or not machine.evictions or machine.running_at is None:
        return False
    return machine.running_at > calm_at + _allowance(seen, machine, calm_at)


def _hears_late(seen: Seen, machine: Machine, calm_at: datetime) -> bool:
    """Whether the end of an accepted start could not be read for long: it failed, and only then its pause begins."""
    before = [call for call in machine.start_calls if call.at <= calm_at]
    unread = {RequestKind.GRAPH, RequestKind.VM_READ}
    is_out = any(each.request_kind in unread and each.end > calm_at - UNREAD_FOR for each in seen.faults.outages)
    return is_out and bool(before) and before[-1].status == HTTPStatus.ACCEPTED


def _allowance(seen: Seen, machine: Machine, calm_at: datetime) -> timedelta:
    """Give how long a VM may be down once all is well: longer where brake or budget hold it."""
    policy = seen.deployment.policy
    restores = [at for at, state in machine.power_history if state is PowerState.RUNNING and at <= calm_at]
    if sum(calm_at - at < 24 * HOUR for at in restores) >= policy.restarts_per_day:
        return 25 * HOUR
    braked = sum(calm_at - at < HOUR + policy.brake for at in restores) >= policy.restarts_per_hour
    resizes = [call.at for call in machine.resize_calls if calm_at - call.at < HOUR]
    lately = sum(calm_at - at < HOUR for at in seen.starts_of(machine))
    # Away from home with a size that Azure refuses, it may wait for the next change that is allowed.
    waits = braked or lately >= policy.starts_per_hour or bool(resizes) or _hears_late(seen, machine, calm_at)
    return RESTORED_WITHIN + (HOUR if waits else timedelta())
