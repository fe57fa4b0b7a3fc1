"""What is going on: open recoveries, holds, pools, queues, and whether events arrive. Pure.

Made of rows and counts alone: it costs a few reads, and of Azure only one count by Resource Graph. Called by
``operators/gather.py``; ``commands/status.py`` and ``web/views/page.py`` write it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, assert_never

from spot_responder.advised_command import CommandLine
from spot_responder.decisions.agents_word import agent_is_silent
from spot_responder.decisions.app_health.event_path import EventPathState, event_path
from spot_responder.decisions.pools import STALE_AFTER
from spot_responder.offerings.max_prices import Standing
from spot_responder.operators.views.figures import figures
from spot_responder.operators.views.open_recovery import RecoveryState, open_recovery
from spot_responder.operators.views.problems import problems
from spot_responder.operators.views.vm_names import names
from spot_responder.text import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from spot_responder.decisions.app_health.app_failures import Failing
    from spot_responder.decisions.app_health.event_path import EventPath
    from spot_responder.decisions.pools import PoolGate, PoolId
    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.intake.vms import VmId
    from spot_responder.offerings.price_alerts import PriceAlert
    from spot_responder.operators.views.dead_letters import QueueCounts
    from spot_responder.operators.views.figures import Figures
    from spot_responder.operators.views.open_recovery import OpenRecovery
    from spot_responder.operators.views.problems import Problem
    from spot_responder.operators.views.work_figures import WorkFigures


_COMMAND: Final = CommandLine()


@dataclass(frozen=True, slots=True)
class HeldVm:
    """A VM that an operator holds, whether it is being recovered or not."""

    vm_id: VmId
    held_at: datetime


class PoolState(StrEnum):
    """The state of a pool's gate. ``DUE``: its pause is over, and the next VM that comes probes it."""

    CLOSED = "closed"
    DUE = "due"
    PROBING = "probing"
    OPENING = "opening"


@dataclass(frozen=True, slots=True)
class LimitedPool:
    """A pool that is not open: until when it is closed, how often in a row Azure refused, its width."""

    pool_id: PoolId
    state: PoolState
    refusals: int
    closed_until: datetime
    starts_under_way: int
    starts_allowed: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many of the Spot VMs that the login may see are covered, and how many are not.

    ``None`` where they could not be counted; ``unseen`` says why. ``for_work``: those that carry ``StartForWork``,
    where there are work queues; they are in neither of the two other numbers.
    """

    covered: int | None
    not_covered: int | None
    unseen: str = ""
    for_work: int = 0


_UNCOUNTED: Final = Coverage(None, None, "nobody counted")


@dataclass(frozen=True, slots=True)
class Overview:
    """All that ``status`` and the status page show."""

    at: datetime
    dry_run: bool
    coverage: Coverage
    recoveries: tuple[OpenRecovery, ...]
    held: tuple[HeldVm, ...]
    pools: tuple[LimitedPool, ...]
    queues: QueueCounts
    event_path: EventPath
    figures: Figures
    work: tuple[WorkFigures, ...]
    problems: tuple[Problem, ...]
    price_alerts: tuple[PriceAlert, ...]


def overview(  # noqa: PLR0913 - all that it is made of
    rows: Iterable[Recovery],
    history: Iterable[Recovery],
    pools: Iterable[PoolGate],
    queues: QueueCounts,
    now: datetime,
    *,
    failing: Sequence[Failing] = (),
    dry_run: bool = False,
    coverage: Coverage = _UNCOUNTED,
    price_alerts: Sequence[PriceAlert] = (),
    command: CommandLine = _COMMAND,
    work: tuple[WorkFigures, ...] = (),
) -> Overview:
    """Make the overview. ``history``: closed recoveries of the last ``event_path.WINDOW``.

    ``command`` writes the commands that are advised. ``work``: the figures of the work queues.
    """
    kept = tuple(rows)
    recoveries = tuple(
        sorted(
            (open_recovery(row, now, dry_run=dry_run) for row in kept if row.is_open),
            key=lambda recovery: recovery.down_since,
        )
    )
    held = tuple(HeldVm(row.vm_id, row.held_at) for row in kept if row.held_at)
    silent = tuple(row.vm_id for row in kept if agent_is_silent(row, now))
    closed, alerts = tuple(history), tuple(each for each in price_alerts if each.holds(now))
    path = event_path([*closed, *kept], now)
    return Overview(
        at=now,
        dry_run=dry_run,
        coverage=coverage,
        recoveries=recoveries,
        held=tuple(sorted(held, key=lambda vm: vm.held_at)),
        pools=tuple(state for pool in pools if (state := pool_state(pool, now))),
        queues=queues,
        event_path=path,
        figures=figures([*(row for row in kept if row.is_open), *closed], now),
        work=work,
        problems=problems(recoveries, failing, queues, path, now, command, silent, alerts),
        price_alerts=alerts,
    )


def headline(overview: Overview) -> str:
    """Sum up in one sentence: how many things need somebody; else how many VMs are on their way, or wait."""
    number = len(overview.problems)
    if number:
        return f"{count(number, 'thing')} {'needs' if number == 1 else 'need'} somebody"
    held = f"{count(len(overview.held), 'VM')} held by an operator" if overview.held else ""
    on_their_way = [recovery for recovery in overview.recoveries if recovery.state is not RecoveryState.HELD]
    if not overview.recoveries:
        return "; ".join(part for part in (_calm(overview), held) if part)
    coming = sum(recovery.state is RecoveryState.STARTING for recovery in on_their_way)
    waiting = len(on_their_way) - coming
    parts = [
        f"{count(coming, 'VM')} coming up" if coming else "",
        f"{count(waiting, 'VM')} waiting to be started" if waiting else "",
        held,
    ]
    return "Nobody is needed: " + ", ".join(part for part in parts if part)


def is_well(overview: Overview) -> bool:
    """Answer whether all is well as far as is known: VMs are covered, events arrive, and nothing needs somebody."""
    works = overview.event_path.state is EventPathState.WORKS
    return works and _is_any_covered(overview.coverage) and not overview.dry_run and not overview.problems


def _is_any_covered(coverage: Coverage) -> bool:
    return bool(coverage.covered or coverage.for_work)


def _calm(overview: Overview) -> str:
    """Say why nothing is being recovered, which is not good news by itself."""
    coverage = overview.coverage
    if is_well(overview):
        return "All is well: nothing is being recovered"
    if coverage.covered is None:
        return "Nothing is being recovered; how many VMs are covered could not be seen"
    if not _is_any_covered(coverage):
        seen = f"of {count(coverage.not_covered or 0, 'Spot VM')} none carries the tag, or is left to us"
        return f"Nothing is covered: {seen if coverage.not_covered else 'no Spot VM is to be seen'}"
    if overview.dry_run:
        return "Nothing is being recovered, nor would it be: DRY_RUN is true"
    return "Nothing is being recovered; whether events arrive is not known"


def how_many(coverage: Coverage) -> str:
    """Say how many Spot VMs are covered: ``58 covered, 2 not``, or ``58 covered, 3 for work, 2 not``."""
    if coverage.covered is None:
        return f"could not look ({coverage.unseen})"
    for_work = f", {coverage.for_work} for work" if coverage.for_work else ""
    return f"{coverage.covered} covered{for_work}, {coverage.not_covered} not"


def near_their_max_price(overview: Overview) -> str:
    """Name the VMs whose max price the next change of the Spot price may pass; empty where there is none."""
    near = [each.vm_id for each in overview.price_alerts if each.standing is Standing.NEAR]
    called = names(near)
    return ", ".join(called[vm_id] for vm_id in near)


def held_and_up(overview: Overview) -> tuple[HeldVm, ...]:
    """Give the held VMs that no open recovery shows as held."""
    shown = {recovery.vm_id for recovery in overview.recoveries if recovery.state is RecoveryState.HELD}
    return tuple(vm for vm in overview.held if vm.vm_id not in shown)


def gate(pool: LimitedPool, closed_until: str) -> str:
    """Write the state of a pool's gate; ``closed_until``: that time, as its reader has times written."""
    match pool.state:
        case PoolState.CLOSED:
            return f"closed until {closed_until}"
        case PoolState.DUE:
            return "its pause is over: the next VM probes it"
        case PoolState.OPENING:
            return f"opening: {count(pool.starts_allowed, 'start')} at once"
        case PoolState.PROBING:
            return "probed by one VM"
        case _:
            assert_never(pool.state)


def pool_names(pools: Iterable[LimitedPool]) -> Mapping[PoolId, str]:
    """Name each pool among others: with its subscription if two pools have the same size and place."""
    ids = [pool.pool_id for pool in pools]
    alike = Counter(map(str, ids))
    with_subscription = {each: f"{each}, subscription {each.subscription_id}" for each in ids}
    return {each: str(each) if alike[str(each)] == 1 else told for each, told in with_subscription.items()}


def pool_state(pool: PoolGate, now: datetime) -> LimitedPool | None:
    """Give the state of a pool's gate; ``None`` where it refused no VM, or is stale."""
    under_way = sum(until > now for until in pool.under_way.values())
    if pool.closed_until is None or (not under_way and now - pool.closed_until > STALE_AFTER):
        return None
    if pool.is_closed(now):
        state = PoolState.CLOSED
    elif pool.refusals:
        state = PoolState.PROBING if under_way else PoolState.DUE
    else:
        state = PoolState.OPENING
    return LimitedPool(pool.pool_id, state, pool.refusals, pool.closed_until, under_way, pool.width)
