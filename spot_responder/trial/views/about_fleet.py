"""Judges what is seen beside a fleet by chance: real evictions, starts without capacity (E1, E4, E6, E7). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spot_responder.decisions.evidence import WEAK_STOP_WINDOW
from spot_responder.intake.azure_errors import FailureKind, classify
from spot_responder.intake.events import kind_of_annotation
from spot_responder.intake.payloads import field, moment, text_field
from spot_responder.intake.signals import SignalKind
from spot_responder.intake.vms import PowerState
from spot_responder.trial.views.about_events import has_evict_operation
from spot_responder.trial.views.verdicts import fails, holds, unseen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from spot_responder.trial.views.observations import Observations, Shown
    from spot_responder.trial.views.verdicts import Found

_DOWN: Final = frozenset({PowerState.DEALLOCATING, PowerState.DEALLOCATED})


def watched(seen: Observations) -> dict[str, Found]:
    """Give the verdicts of what a watch can see."""
    return {
        "E1": _is_annotated(seen),
        "E4": _has_no_owners_annotation(seen),
        "E6": _leaves_no_annotation(seen),
        "E7": has_evict_operation(seen),
    }


def _is_annotated(seen: Observations) -> Found:
    """E1: an eviction is annotated; one that only the activity log has shows that it is not."""
    evicted = _evictions(seen)
    if evicted:
        vms = len({each.vm for each in evicted})
        return holds(f"{vms} VMs went down with the annotation VirtualMachinePreempted", evicted[-1].at)
    logged = _evicted_by_log(seen)
    silent = [
        each
        for each in seen.fleet
        if each.vm in logged and each.state in _DOWN and not each.annotation and _was_watched_after(seen, each.at)
    ]
    silent = [each for each in silent if not any(one.annotation for one in _until_up(seen, each.vm, each.at))]
    if silent:
        return fails("the activity log has an eviction of a VM that has no annotation", silent[-1].at)
    return unseen(_nothing(seen, "no VM was evicted"))


def _has_no_owners_annotation(seen: Observations) -> Found:
    """E4: is an eviction annotated as an owner's stop as well? The activity log tells whether somebody stopped it."""
    evicted = _evictions(seen)
    log = seen.last("activity log")
    if not evicted or log is None or not log.is_good:
        return unseen(_nothing(seen, "no VM was evicted, or the activity log was not read"))
    deallocated = _done(seen, "/deallocate/action")
    for each in evicted:
        stops = [one for one in _until_up(seen, each.vm, each.at) if _tells_of(one, SignalKind.STOPPED_BY_OWNER)]
        if stops and each.vm not in deallocated:
            return fails(f"after VirtualMachinePreempted it was annotated {stops[0].annotation}", stops[0].at)
    sure = [each for each in evicted if _was_watched_after(seen, each.at)]
    if not sure:
        return unseen("the watch ended too soon after the eviction")
    vms = len({each.vm for each in sure})
    return holds(f"no annotation of a stop after the evictions of {vms} VMs", evicted[-1].at)


def _leaves_no_annotation(seen: Observations) -> Found:
    """E6: a start that fails for want of capacity leaves no annotation of a stop."""
    watched_vms = {each.vm for each in seen.fleet}
    failed = {vm: at for vm, at in _failed_starts(seen).items() if vm in watched_vms}
    if not failed:
        return unseen(_nothing(seen, "no start of a watched VM failed for want of capacity"))
    deallocated = _done(seen, "/deallocate/action")
    for vm, at in failed.items():
        for each in _until_up(seen, vm, at):
            dated = each.annotated_at
            is_stop = _tells_of(each, SignalKind.STOPPED_BY_OWNER)
            if is_stop and dated is not None and dated >= at and vm not in deallocated:
                return fails(f"after a failed start it was annotated {each.annotation}", each.at)
    sure = [at for at in failed.values() if _was_watched_after(seen, at)]
    if not sure:
        return unseen("the watch ended too soon after the failed start")
    return holds(f"no annotation of a stop after {len(sure)} failed starts", max(sure))


def _evictions(seen: Observations) -> list[Shown]:
    """Give what was shown of VMs that went down while they were watched."""
    first = {each.vm: each.state for each in reversed(seen.fleet)}
    return [
        each
        for each in seen.fleet
        if each.state in _DOWN and first[each.vm] not in _DOWN and _tells_of(each, SignalKind.EVICTED)
    ]


def _until_up(seen: Observations, vm: str, since: datetime) -> list[Shown]:
    """Give what was shown of a VM after a moment, until it was up again."""
    later = [each for each in seen.fleet if each.vm == vm and each.at > since]
    return later[: next((number for number, each in enumerate(later) if each.state not in _DOWN), len(later))]


def _was_watched_after(seen: Observations, at: datetime) -> bool:
    """Whether it was looked at for so long after that moment that an annotation would have come."""
    log = seen.last("activity log")
    return log is not None and log.at >= at + WEAK_STOP_WINDOW


def _tells_of(shown: Shown, kind: SignalKind) -> bool:
    return kind_of_annotation(shown.annotation) is kind


def _entries(seen: Observations) -> list[Mapping[str, object]]:
    """Give the entries of the activity log, as far as it was read."""
    read = [field(answer.body, "value") for answer in seen.answers.get("activity log", [])]
    return [entry for listed in read if isinstance(listed, list) for entry in listed if isinstance(entry, dict)]


def _vm(entry: Mapping[str, object]) -> str:
    return text_field(entry, "resourceId").lower()


def _done(seen: Observations, operation: str) -> set[str]:
    return {_vm(each) for each in _entries(seen) if _operation(each).endswith(operation)}


def _operation(entry: Mapping[str, object]) -> str:
    return text_field(entry, "operationName", "value").lower()


def _evicted_by_log(seen: Observations) -> set[str]:
    return {_vm(each) for each in _entries(seen) if "evictspotvm" in _operation(each)}


def _failed_starts(seen: Observations) -> dict[str, datetime]:
    found: dict[str, datetime] = {}
    for each in _entries(seen):
        at = moment(text_field(each, "eventTimestamp"))
        is_failed = text_field(each, "status", "value").lower() == "failed"
        told = text_field(each, "properties", "statusMessage")
        is_start = _operation(each).endswith("/start/action")
        if at is not None and is_failed and is_start and classify(None, told, {}).kind is FailureKind.CAPACITY:
            found[_vm(each)] = at
    return found


def _nothing(seen: Observations, what: str) -> str:
    vms = len({each.vm for each in seen.fleet})
    return seen.missed.get("fleet", f"{what}; {vms} Spot VMs were watched")
