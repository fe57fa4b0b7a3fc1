"""An operator's look: gathers what the read-model is made of, by the same ways as the app, and changes nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from spot_responder.decisions import decide
from spot_responder.event_paths import WINDOW
from spot_responder.explanations import explain, why_not
from spot_responder.gathering import gather_rows, look
from spot_responder.overviews import overview
from spot_responder.plans import FoundBy, Judged, plan
from spot_responder.signals import Signal, SignalKind, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from spot_responder.doors import Clients
    from spot_responder.explanations import Explanation
    from spot_responder.operator_doors import OperatorDoors
    from spot_responder.overviews import Overview
    from spot_responder.plans import Plan
    from spot_responder.settings import Settings
    from spot_responder.situations import Situation
    from spot_responder.vms import VmId

_MIDDLE: Final = 0.5
"""Chance spreads retries; a look shows the middle."""

_AT_ONCE: Final = 16
"""How many VMs are looked at at the same time: each costs one or two reads of ARM, of which there are enough."""


async def look_around(doors: OperatorDoors, settings: Settings, now: datetime) -> Overview:
    """Give the overview: tables and queues, nothing of ARM."""
    first = (now - WINDOW).date()
    rows, failing, pools, history, queues = await asyncio.gather(
        doors.clients.store.all_recoveries(),
        doors.clients.store.failing(),
        doors.records.all_pools(),
        doors.records.closed_between(first, now.date()),
        doors.letters.counts(),
    )
    kept = (row.value for row in rows)
    return overview(kept, history, pools, queues, now, failing=failing, dry_run=settings.dry_run)


async def look_at(vm_id: VmId, clients: Clients, settings: Settings, now: datetime, called: str = "") -> Explanation:
    """Explain one VM. What is not covered on Resource Graph's word is asked of ARM as well: a tag may be new.

    ``called``: how the operator named it, by its name or its id.

    Raises:
        AzureRefusedError: if Azure does not let the login look.
    """
    situation = await _situation(vm_id, clients, settings, now)
    decision = decide(situation, settings.policy, now, _MIDDLE)
    if situation.vm is not None and why_not(decision):
        current = await clients.compute.current(vm_id)
        situation = replace(situation, vm=situation.vm.with_current(current) if current else None)
        decision = decide(situation, settings.policy, now, _MIDDLE)
    return explain(situation, decision, settings.policy, now, called=called, dry_run=settings.dry_run)


async def look_ahead(
    doors: OperatorDoors, settings: Settings, now: datetime, progress: Callable[[int, int], None]
) -> Plan:
    """Give what a sweep would do now. ``progress`` is told how many VMs of how many were looked at.

    Raises:
        AzureRefusedError: if Azure does not let the login look.
    """
    rows = [row.value for row in await doors.clients.store.all_recoveries()]
    overdue = {row.vm_id for row in rows if row.is_overdue(now)}
    busy = {row.vm_id for row in rows if row.is_open} - overdue
    found = set(await doors.clients.graph.deallocated_spot_vms(settings.policy.restart_tag)) - overdue - busy
    shown = set(await doors.finder.spot_vms())
    others = shown - found - overdue - busy
    whys = dict.fromkeys(overdue, FoundBy.OVERDUE) | dict.fromkeys(found, FoundBy.RESOURCE_GRAPH)
    judged = await _judge_all([*whys, *others], whys, doors.clients, settings, now, progress)
    return plan(judged, busy, settings.policy, now, shown=len(shown), dry_run=settings.dry_run)


async def _judge_all(  # noqa: PLR0913, PLR0917 - what a judgement rests on, and who wants to hear of it
    vm_ids: Iterable[VmId],
    whys: dict[VmId, FoundBy],
    clients: Clients,
    settings: Settings,
    now: datetime,
    progress: Callable[[int, int], None],
) -> list[Judged]:
    asked, done = tuple(vm_ids), 0
    turns = asyncio.Semaphore(_AT_ONCE)

    async def judge(vm_id: VmId) -> Judged:
        nonlocal done
        async with turns:
            situation = await _situation(vm_id, clients, settings, now)
        done += 1
        progress(done, len(asked))
        return Judged(situation, decide(situation, settings.policy, now, _MIDDLE), whys.get(vm_id))

    return await asyncio.gather(*(judge(vm_id) for vm_id in asked))


async def _situation(vm_id: VmId, clients: Clients, settings: Settings, now: datetime) -> Situation:
    """Look as the app does when its sweep has found the VM: such a signal says nothing but a name."""
    signal = Signal(vm_id, SignalKind.SWEEP_FOUND, None, Source.SWEEP, "")
    rows = await gather_rows(signal, clients, now)
    if rows is None:
        message = "only a stale follow-up gathers nothing"
        raise AssertionError(message)
    looked = await look(rows, clients, settings.policy.restart_tag)
    pool = (await clients.store.load_pool(looked.gate)).value if looked.gate else None
    return replace(looked.situation, pool=pool)
