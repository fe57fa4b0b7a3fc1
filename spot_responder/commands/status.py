"""``status``: what is going on. ``operators/gather.py`` gathers it; this module writes it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.commands.arguments import add_command
from spot_responder.decisions.app_health.event_path import EventPathState, whether_events_arrive
from spot_responder.operators.gather import gather_status
from spot_responder.operators.views.figures import how_agents_told
from spot_responder.operators.views.open_recovery import RecoveryState
from spot_responder.operators.views.status import (
    gate,
    headline,
    held_and_up,
    how_many,
    is_well,
    near_their_max_price,
    pool_names,
)
from spot_responder.operators.views.vm_names import names
from spot_responder.operators.views.work_figures import backlog_at_look, count_told, hours_told, jobs_told, wait_told
from spot_responder.terminal.console import Colour, Painted
from spot_responder.terminal.results import FINE, WRONG, CommandResult
from spot_responder.text import count, span

if TYPE_CHECKING:
    from argparse import Namespace

    from spot_responder.commands.arguments import Commands
    from spot_responder.commands.run import Operator
    from spot_responder.decisions.app_health.event_path import EventPath
    from spot_responder.operators.views.dead_letters import QueueCounts
    from spot_responder.operators.views.figures import Figures
    from spot_responder.operators.views.open_recovery import OpenRecovery
    from spot_responder.operators.views.status import LimitedPool, Overview
    from spot_responder.operators.views.work_figures import WorkFigures
    from spot_responder.terminal.console import Console

EXAMPLES: Final = """\
  .venv/bin/spot-responder status
  .venv/bin/spot-responder status --json | jq '.recoveries[] | select(.failure == "capacity") | .vm_id'

Reads the app's tables and queues, counts VMs in Resource Graph, and asks nothing of ARM. Ends with 1 where something is
wrong.
"""
_STANDINGS: Final = {
    RecoveryState.HELD: Colour.NOTICE,
    RecoveryState.STARTING: Colour.GOOD,
    RecoveryState.REFUSED: Colour.NOTICE,
    RecoveryState.WAITING: Colour.NOTICE,
}


_PATHS: Final = {
    EventPathState.QUIET: Colour.FAINT,
    EventPathState.WORKS: Colour.GOOD,
    EventPathState.SILENT: Colour.BAD,
}


def add(commands: Commands) -> None:
    """Add the command."""
    add_command(commands, "status", "what is going on: recoveries, pools, queues, events", _run, examples=EXAMPLES)


async def _run(_arguments: Namespace, operator: Operator) -> CommandResult:
    overview = await gather_status(operator.ports, operator.settings, operator.clock(), operator.command)
    return CommandResult(overview, lambda console: render(overview, console), WRONG if overview.problems else FINE)


def render(overview: Overview, console: Console) -> str:
    """Write the overview."""
    parts = [
        console.title("Spot Responder" + (", which starts nothing: DRY_RUN is true" if overview.dry_run else "")),
        _recoveries(overview, console),
        _held(overview, console),
        _pools(overview.pools, console),
        _line(console, "messages, also those that wait for their time", _queues(overview.queues)),
        _line(console, "Spot VMs that your login sees", how_many(overview.coverage)),
        _line(console, "event path", _path(overview.event_path, console)),
        _near(near_their_max_price(overview), console),
        _line(console, "last 7 days", _figures(overview.figures)),
        _line(console, "told by agents in the VMs", _agents(overview.figures)),
        _work(overview.work, console),
        _problems(overview, console),
    ]
    return "\n".join(part for part in parts if part)


def _line(console: Console, name: str, text: str) -> str:
    return f"{console.paint(name, Colour.HEAD)}: {text}\n"


def _near(called: str, console: Console) -> str:
    return _line(console, "the Spot price is near the max price of", called) if called else ""


def _recoveries(overview: Overview, console: Console) -> str:
    if not overview.recoveries:
        return _line(console, "open recoveries", "none")
    heads = ("VM", "is", "size", "down for", "starts", "next look", "why")
    called = names(recovery.vm_id for recovery in overview.recoveries)
    rows = [_recovery(recovery, called[recovery.vm_id], overview, console) for recovery in overview.recoveries]
    return _line(console, "open recoveries", str(len(rows))) + console.table(heads, rows)


def _recovery(recovery: OpenRecovery, called: str, overview: Overview, console: Console) -> list[str | Painted]:
    next_look = console.when(recovery.next_look_at)
    return [
        called,
        Painted(recovery.state, _STANDINGS[recovery.state]),
        recovery.pool.size if recovery.pool else "-",
        span(overview.at - recovery.down_since),
        str(recovery.start_requests),
        Painted(f"{next_look} overdue", Colour.BAD) if recovery.is_overdue else next_look,
        recovery.reason + (f" (since {console.when(recovery.held_at)})" if recovery.held_at else ""),
    ]


def _held(overview: Overview, console: Console) -> str:
    there = held_and_up(overview)
    if not there:
        return ""
    called = names(vm.vm_id for vm in there)
    held = ", ".join(f"{called[vm.vm_id]} since {console.when(vm.held_at)}" for vm in there)
    return _line(console, "held by an operator", held)


def _pools(pools: tuple[LimitedPool, ...], console: Console) -> str:
    if not pools:
        return _line(console, "pools", "all open")
    called = pool_names(pools)
    rows = [_pool(each, called[each.pool_id], console) for each in pools]
    heads = ("pool", "is", "refusals in a row", "starts under way")
    return _line(console, "pools", f"{len(pools)} not open") + console.table(heads, rows)


def _pool(pool: LimitedPool, called: str, console: Console) -> list[str]:
    how = gate(pool, console.when(pool.closed_until))
    return [called, how, str(pool.refusals), str(pool.starts_under_way)]


def _queues(queues: QueueCounts) -> str:
    why = {unseen.place: f" ({unseen.why})" for unseen in queues.unseen if not unseen.is_wrong}
    return ", ".join(
        f"{place} could not look{why.get(place, '')}" if number is None else f"{place} {number}"
        for place, number in queues.by_place.items()
    )


def _path(path: EventPath, console: Console) -> str:
    state, colon, rest = whether_events_arrive(path, console.away).partition(":")
    return console.paint(state, _PATHS[path.state]) + colon + rest


def _figures(figures: Figures) -> str:
    evicted = count(sum(each.number for each in figures.evictions), "eviction")
    restored = sum(each.number for each in figures.restore_times)
    median_s = figures.median_restore_s
    times = f" (median {span(timedelta(seconds=median_s))})" if median_s is not None else ""
    failed = ", ".join(f"{each.number} {each.name}" for each in figures.failures) or "none"
    return f"{evicted}, {restored} restored{times}; start requests that failed: {failed}"


def _agents(figures: Figures) -> str:
    before, after = how_agents_told(figures)
    return f"notice before an eviction: {before}; time to workload ready: {after}"


def _work(work: tuple[WorkFigures, ...], console: Console) -> str:
    """Write the work queues: the messages of the app's latest look, and the last days."""
    if not work:
        return ""
    heads = ("queue", "has", "jobs done", "waited until claimed", "VM hours", "starts", "evictions")
    rows = [
        [
            each.name,
            f"{backlog_at_look(each)} ({console.when(each.looked_at)})",
            jobs_told(each),
            wait_told(each),
            hours_told(each),
            count_told(each.starts),
            count_told(each.evictions),
        ]
        for each in work
    ]
    return _line(console, "work queues, and their last 7 days", str(len(work))) + console.table(heads, rows)


def _problems(overview: Overview, console: Console) -> str:
    if not overview.problems:
        is_calm = is_well(overview) or overview.recoveries
        return console.paint(headline(overview), Colour.GOOD if is_calm else Colour.NOTICE) + "\n"
    lines = [
        f"{console.paint('!', Colour.BAD)} {problem.what}\n  mend: {problem.mend}\n" for problem in overview.problems
    ]
    return "".join(lines)
