"""``status``: what is going on."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.commands.arguments import add_command
from spot_responder.commands.console import Colour, Painted
from spot_responder.commands.results import FINE, WRONG, Answer
from spot_responder.decisions.event_path import EventPathStanding, whether_events_arrive
from spot_responder.operators.gather import look_around
from spot_responder.operators.views.open_recovery import Standing
from spot_responder.operators.views.status import gate, headline, held_and_up, how_many, is_well, pool_names
from spot_responder.operators.views.vm_names import names
from spot_responder.text import count, span

if TYPE_CHECKING:
    from argparse import Namespace

    from spot_responder.commands.arguments import Commands
    from spot_responder.commands.console import Paper
    from spot_responder.commands.run import Operator
    from spot_responder.decisions.event_path import EventPath
    from spot_responder.operators.views.dead_letters import QueueCounts
    from spot_responder.operators.views.figures import Figures
    from spot_responder.operators.views.open_recovery import OpenCase
    from spot_responder.operators.views.status import Overview, PoolState

EXAMPLES: Final = """\
  .venv/bin/spot-responder status
  .venv/bin/spot-responder status --json | jq '.cases[] | select(.failure == "capacity") | .vm_id'

Reads the app's tables and queues, counts VMs in Resource Graph, and asks nothing of ARM. Ends with 1 where something is
wrong.
"""
_STANDINGS: Final = {
    Standing.HELD: Colour.NOTICE,
    Standing.STARTING: Colour.GOOD,
    Standing.REFUSED: Colour.NOTICE,
    Standing.WAITING: Colour.NOTICE,
}


_PATHS: Final = {
    EventPathStanding.QUIET: Colour.FAINT,
    EventPathStanding.WORKS: Colour.GOOD,
    EventPathStanding.SILENT: Colour.BAD,
}


def add(commands: Commands) -> None:
    """Add the command."""
    add_command(commands, "status", "what is going on: recoveries, pools, queues, events", _run, examples=EXAMPLES)


async def _run(_arguments: Namespace, operator: Operator) -> Answer:
    overview = await look_around(operator.doors, operator.settings, operator.clock(), operator.command)
    return Answer(overview, lambda paper: told(overview, paper), WRONG if overview.problems else FINE)


def told(overview: Overview, paper: Paper) -> str:
    """Write the overview."""
    parts = [
        paper.title("Spot Responder" + (", which starts nothing: DRY_RUN is true" if overview.dry_run else "")),
        _cases(overview, paper),
        _held(overview, paper),
        _pools(overview.pools, paper),
        _line(paper, "messages, also those that wait for their time", _queues(overview.queues)),
        _line(paper, "Spot VMs that your login sees", how_many(overview.coverage)),
        _line(paper, "event path", _path(overview.event_path, paper)),
        _line(paper, "last 7 days", _figures(overview.figures)),
        _problems(overview, paper),
    ]
    return "\n".join(part for part in parts if part)


def _line(paper: Paper, name: str, text: str) -> str:
    return f"{paper.paint(name, Colour.HEAD)}: {text}\n"


def _cases(overview: Overview, paper: Paper) -> str:
    if not overview.cases:
        return _line(paper, "open recoveries", "none")
    heads = ("VM", "is", "size", "down for", "starts", "next look", "why")
    called = names(case.vm_id for case in overview.cases)
    rows = [_case(case, called[case.vm_id], overview, paper) for case in overview.cases]
    return _line(paper, "open recoveries", str(len(rows))) + paper.table(heads, rows)


def _case(case: OpenCase, called: str, overview: Overview, paper: Paper) -> list[str | Painted]:
    next_look = paper.when(case.next_look_at)
    return [
        called,
        Painted(case.standing, _STANDINGS[case.standing]),
        case.pool.size if case.pool else "-",
        span(overview.at - case.down_since),
        str(case.start_requests),
        Painted(f"{next_look} overdue", Colour.BAD) if case.is_overdue else next_look,
        case.reason + (f" (since {paper.when(case.held_at)})" if case.held_at else ""),
    ]


def _held(overview: Overview, paper: Paper) -> str:
    there = held_and_up(overview)
    if not there:
        return ""
    called = names(vm.vm_id for vm in there)
    held = ", ".join(f"{called[vm.vm_id]} since {paper.when(vm.held_at)}" for vm in there)
    return _line(paper, "held by an operator", held)


def _pools(pools: tuple[PoolState, ...], paper: Paper) -> str:
    if not pools:
        return _line(paper, "pools", "all open")
    called = pool_names(pools)
    rows = [_pool(each, called[each.pool_id], paper) for each in pools]
    heads = ("pool", "is", "refusals in a row", "starts under way")
    return _line(paper, "pools", f"{len(pools)} not open") + paper.table(heads, rows)


def _pool(pool: PoolState, called: str, paper: Paper) -> list[str]:
    how = gate(pool, paper.when(pool.closed_until))
    return [called, how, str(pool.refusals), str(pool.starts_under_way)]


def _queues(queues: QueueCounts) -> str:
    places = (
        ("signals", queues.signals),
        ("signals-poison", queues.poison),
        ("event-dead-letters", queues.dead_letters),
    )
    why = {unseen.place: f" ({unseen.why})" for unseen in queues.unseen if not unseen.is_wrong}
    return ", ".join(
        f"{name} could not look{why.get(name, '')}" if number is None else f"{name} {number}" for name, number in places
    )


def _path(path: EventPath, paper: Paper) -> str:
    standing, colon, rest = whether_events_arrive(path, paper.away).partition(":")
    return paper.paint(standing, _PATHS[path.standing]) + colon + rest


def _figures(figures: Figures) -> str:
    evicted = count(sum(each.number for each in figures.evictions), "eviction")
    restored = sum(each.number for each in figures.restore_times)
    median_s = figures.median_restore_s
    times = f", half of them within {span(timedelta(seconds=median_s))}" if median_s is not None else ""
    failed = ", ".join(f"{each.number} {each.name}" for each in figures.failures) or "none"
    return f"{evicted}, {restored} restored{times}; start requests that failed: {failed}"


def _problems(overview: Overview, paper: Paper) -> str:
    if not overview.problems:
        is_calm = is_well(overview) or overview.cases
        return paper.paint(headline(overview), Colour.GOOD if is_calm else Colour.NOTICE) + "\n"
    lines = [
        f"{paper.paint('!', Colour.BAD)} {problem.what}\n  mend: {problem.mend}\n" for problem in overview.problems
    ]
    return "".join(lines)
