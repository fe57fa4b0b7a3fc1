"""What a sweep would do now, and which Spot VMs it leaves alone. Pure.

Called by ``operators/gather.py``; ``commands/plan.py`` writes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

from spot_responder.decisions.situations import Close, Decision, Ignore, Requeue, Resize, Situation, Start, Wait
from spot_responder.intake.vms import PowerState
from spot_responder.offerings.fallback_tag import TURN_ON, read_fallback_sizes
from spot_responder.operators.views.explanation import why_not
from spot_responder.operators.views.tag_typos import TagTypo, is_left_to_the_tag, tag_typos

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from spot_responder.decisions.policy import Policy
    from spot_responder.intake.vms import Vm, VmId
    from spot_responder.operators.views.work_queues import QueueDemand


class FoundBy(StrEnum):
    """Why a sweep would find a VM."""

    RESOURCE_GRAPH = "Resource Graph"
    OVERDUE = "overdue follow-up"


class Would(StrEnum):
    """What would be decided."""

    START = "start"
    WAIT = "wait"
    CLOSE = "close"
    LEAVE_ALONE = "leave alone"


@dataclass(frozen=True, slots=True)
class SweepFind:
    """A VM that the sweep would find, and what would be decided about it."""

    vm_id: VmId
    found_by: FoundBy
    would: Would
    reason: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class PassedBy:
    """A Spot VM that is not covered, and why; with tags that look like the restart tag misspelled."""

    vm_id: VmId
    why_not: str
    tag_typos: tuple[TagTypo, ...]


@dataclass(frozen=True, slots=True)
class BadTag:
    """A covered VM whose tag ``SpotFallbackSizes`` counts for nothing, and what is wrong with it."""

    vm_id: VmId
    problem: str


@dataclass(frozen=True, slots=True)
class SizesOff:
    """The covered VMs whose owner names other sizes, while the app may change none, and what to do about it."""

    vm_ids: tuple[VmId, ...]
    what_to_do: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sweep would do now.

    ``busy``: VMs with an open recovery that waits for its own time, which a sweep does not change. ``covered_and_up``:
    how many covered VMs need nothing. ``shown``: how many Spot VMs Resource Graph shows to the login. ``sizes_off``:
    ``None`` where no VM asks for what is off.
    ``work_queues``: what each asks for: a sweep looks at them too.
    """

    at: datetime
    dry_run: bool
    finds: tuple[SweepFind, ...]
    busy: tuple[VmId, ...]
    covered_and_up: int
    passed_by: tuple[PassedBy, ...]
    bad_tags: tuple[BadTag, ...]
    sizes_off: SizesOff | None
    shown: int
    work_queues: tuple[QueueDemand, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """A VM's situation and what would be decided; ``found_by`` is ``None`` where no sweep finds it."""

    situation: Situation
    decision: Decision
    found_by: FoundBy | None


def plan(  # noqa: PLR0913 - what a plan says beside what was judged
    judged: Iterable[Judged],
    busy: Mapping[VmId, Vm | None],
    policy: Policy,
    now: datetime,
    *,
    shown: int,
    dry_run: bool,
    work_queues: tuple[QueueDemand, ...] = (),
) -> Plan:
    """Sort the judged VMs into those that a sweep would find and those that it leaves alone.

    ``busy``: the VMs that are being recovered, as far as Resource Graph shows them.
    """
    every = tuple(judged)
    covered = [*(each.situation.vm for each in every if not why_not(each.decision)), *busy.values()]
    tags = {vm.vm_id: read_fallback_sizes(vm.tags) for vm in covered if vm is not None}
    passed_by = [_passed_by(each, policy) for each in every if each.found_by is None and why_not(each.decision)]
    # VMs whose tag may be misspelled first: somebody should check them.
    passed_by.sort(key=lambda each: (not each.tag_typos, each.vm_id.key))
    finds = [_find(each, each.found_by) for each in every if each.found_by]
    order = list(Would)
    return Plan(
        at=now,
        dry_run=dry_run,
        finds=tuple(sorted(finds, key=lambda find: (order.index(find.would), find.vm_id.key))),
        busy=tuple(sorted(busy, key=lambda vm_id: vm_id.key)),
        covered_and_up=sum(_is_up(each) for each in every),
        passed_by=tuple(passed_by),
        bad_tags=tuple(BadTag(vm_id, tag.problem) for vm_id, tag in tags.items() if tag.problem),
        sizes_off=_sizes_off([vm_id for vm_id, tag in tags.items() if tag.sizes], policy),
        shown=shown,
        work_queues=work_queues,
    )


def _find(each: Judged, found_by: FoundBy) -> SweepFind:
    until = each.decision.until if isinstance(each.decision, Wait) else None
    return SweepFind(each.situation.vm_id, found_by, _would(each.decision), each.decision.reason, until)


def _would(decision: Decision) -> Would:
    match decision:
        case Start() | Resize():
            return Would.START
        case Wait():
            return Would.WAIT
        case Close():
            return Would.CLOSE
        case Ignore() | Requeue():
            return Would.LEAVE_ALONE
        case _:
            assert_never(decision)


def _passed_by(each: Judged, policy: Policy) -> PassedBy:
    vm = each.situation.vm
    misses = tag_typos(vm.tags, policy.restart_tag) if vm and is_left_to_the_tag(vm, policy) else ()
    return PassedBy(each.situation.vm_id, each.decision.reason, misses)


def _sizes_off(asking: Iterable[VmId], policy: Policy) -> SizesOff | None:
    vm_ids = tuple(sorted(asking, key=lambda vm_id: vm_id.key))
    return SizesOff(vm_ids, TURN_ON) if vm_ids and not policy.resizes else None


def _is_up(each: Judged) -> bool:
    vm = each.situation.vm
    return vm is not None and vm.power_state is PowerState.RUNNING and not why_not(each.decision)
