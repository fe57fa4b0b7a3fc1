"""Gathers what the views show, by the same ways as the app, and changes nothing.

Called by ``commands`` and ``web/status.py``; ``views`` goes on.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.advised_command import CommandLine
from spot_responder.decisions.app_health.event_path import WINDOW
from spot_responder.decisions.situations import Resize, Start
from spot_responder.intake.signals import SignalKind
from spot_responder.operators.foretelling import foretelling
from spot_responder.operators.views.explanation import explain, why_not
from spot_responder.operators.views.plan import FoundBy, Judged, plan
from spot_responder.operators.views.status import Coverage, overview
from spot_responder.operators.work_queues import gather_figures, gather_queues, work_told
from spot_responder.responder.ports import AzureRefusedError
from spot_responder.responder.sweep_finds import sweep_finds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.decisions.situations import Decision, Situation
    from spot_responder.intake.vms import VmId
    from spot_responder.operators.foretelling import Foretelling
    from spot_responder.operators.ports import OperatorPorts
    from spot_responder.operators.views.explanation import Explanation
    from spot_responder.operators.views.plan import Plan
    from spot_responder.operators.views.status import Overview
    from spot_responder.responder.ports import Arm, Ports
    from spot_responder.settings import Settings

_COMMAND: Final = CommandLine()

_RESTORED_WITHIN: Final = timedelta(hours=1)
"""How long after a start that an annotation reports its recovery may be closed: later ones are not loaded."""

_AT_ONCE: Final = 16
"""How many VMs are read at the same time: each costs one or two reads of ARM."""


async def gather_status(ports: OperatorPorts, settings: Settings, now: datetime, command: CommandLine) -> Overview:
    """Give the overview: tables and queues, one count by Resource Graph, nothing of ARM.

    ``command`` writes the commands that are advised.
    """
    first = (now - WINDOW).date()
    rows, failing, pools, history, queues, (coverage, alerts) = await asyncio.gather(
        ports.app.store.all_recoveries(),
        ports.app.store.failing(),
        ports.records.all_pools(),
        ports.app.store.closed_between(first, now.date()),
        ports.dead_letters.counts(),
        asyncio.gather(_coverage(ports, settings), ports.app.pricing.alerts.all()),
    )
    kept = [row.value for row in rows]
    return overview(
        kept,
        history,
        pools,
        queues,
        now,
        failing=failing,
        dry_run=settings.dry_run,
        coverage=coverage,
        price_alerts=alerts,
        command=command,
        work=await gather_figures(ports, settings, [*(row for row in kept if row.is_open), *history], now),
    )


async def _coverage(ports: OperatorPorts, settings: Settings) -> Coverage:
    """Count the covered VMs. If they cannot be counted, the rest is shown all the same."""
    try:
        return await ports.finder.coverage(settings.policy.restart_tag, has_work_queues=bool(settings.work_queues))
    except AzureRefusedError as refused:
        return Coverage(None, None, str(refused))


async def gather_explanation(  # noqa: PLR0913, PLR0917 - where to look, and how it is told
    vm_id: VmId,
    ports: Ports,
    settings: Settings,
    now: datetime,
    called: str = "",
    command: CommandLine = _COMMAND,
    offers: Arm | None = None,
) -> Explanation:
    """Explain one VM. If Resource Graph shows it as not covered, ARM is asked as well: a tag may be new.

    ``called``: how the operator named it, by its name or its id. ``command`` writes the commands that are advised.
    ``offers``: whom to ask what Azure offers to a VM that may come back as another size.

    Raises:
        AzureRefusedError: if Azure does not let the login look.
    """
    foretold = foretelling(ports, settings, now, offers)
    situation, decision = await _judged(vm_id, SignalKind.SWEEP_FOUND, foretold)
    work = await work_told(situation, ports, settings, now)
    return explain(
        situation,
        decision,
        settings.policy,
        now,
        called=called,
        dry_run=settings.dry_run,
        command=command,
        history=await _history_of_the_start(situation, ports),
        work_queue=work.reason,
        stopped_itself_at=work.stopped_itself_at,
    )


async def foresee_retry(vm_id: VmId, ports: Ports, settings: Settings, now: datetime, offers: Arm | None = None) -> str:
    """Say why a retry would have no effect now; an empty text where the VM would be started.

    Raises:
        AzureRefusedError: if Azure does not let the login look.
    """
    _, decision = await _judged(vm_id, SignalKind.OPERATOR_ASKED, foretelling(ports, settings, now, offers))
    return "" if isinstance(decision, Start | Resize) else decision.reason


async def _judged(vm_id: VmId, kind: SignalKind, foretold: Foretelling) -> tuple[Situation, Decision]:
    situation, decision = await foretold.of(vm_id, kind)
    if situation.vm is not None and why_not(decision):
        current = await foretold.ports.compute.current(vm_id)
        seen = situation.vm.with_current(current) if current else None
        situation = replace(situation, vm=seen, shown=situation.vm)
        decision = foretold.decided(situation)
    return situation, decision


async def _history_of_the_start(situation: Situation, ports: Ports) -> list[Recovery]:
    """Load the VM's recoveries that ended around its latest reported start: the app may have started it."""
    began_at = situation.evidence.started_at
    if began_at is None:
        return []
    closed = await ports.store.closed_between(began_at.date(), (began_at + _RESTORED_WITHIN).date())
    return [each for each in closed if each.vm_id == situation.vm_id]


async def gather_plan(
    ports: OperatorPorts, settings: Settings, now: datetime, progress: Callable[[int, int], None]
) -> Plan:
    """Give what a sweep would do now. ``progress`` is called with how many VMs were read, and of how many.

    Raises:
        AzureRefusedError: if Azure does not let the login look.
    """
    rows = [row.value for row in await ports.app.store.all_recoveries()]
    finds = sweep_finds(rows, now)
    found = finds.among(await ports.app.graph.deallocated_spot_vms(settings.policy.restart_tag))
    shown = set(await ports.finder.spot_vms())
    others = finds.among(shown) - found
    whys = dict.fromkeys(finds.overdue, FoundBy.OVERDUE) | dict.fromkeys(found, FoundBy.RESOURCE_GRAPH)
    foretold = foretelling(ports.app, settings, now, ports.resource_manager)
    judged = await _judge_all([*whys, *others], whys, foretold, progress)
    # Of those that are being recovered only the tags are told: Resource Graph is asked for many at once.
    busy = await asyncio.gather(*(ports.app.graph.confirm(vm_id) for vm_id in finds.busy))
    return plan(
        judged,
        dict(zip(finds.busy, busy, strict=True)),
        settings.policy,
        now,
        shown=len(shown),
        dry_run=settings.dry_run,
        work_queues=await gather_queues(ports.app, settings, now),
    )


async def _judge_all(
    vm_ids: Iterable[VmId], whys: dict[VmId, FoundBy], foretold: Foretelling, progress: Callable[[int, int], None]
) -> list[Judged]:
    asked, done = tuple(vm_ids), 0
    turns = asyncio.Semaphore(_AT_ONCE)

    async def judge(vm_id: VmId) -> Judged:
        nonlocal done
        async with turns:
            situation, decision = await foretold.of(vm_id)
        done += 1
        progress(done, len(asked))
        return Judged(situation, decision, whys.get(vm_id))

    return await asyncio.gather(*(judge(vm_id) for vm_id in asked))
