"""``history``: closed recoveries, counted. ``operators/views/history.py`` counts; this module writes table and CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import fields
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.commands.arguments import add_command, whole_number
from spot_responder.operators.views.history import By, Ended, history
from spot_responder.operators.views.json_form import json_form
from spot_responder.terminal.results import MISUSED, CommandResult, StopError
from spot_responder.text import span

if TYPE_CHECKING:
    from argparse import Namespace

    from spot_responder.commands.arguments import Commands
    from spot_responder.commands.run import Operator
    from spot_responder.operators.views.history import History, Tally
    from spot_responder.terminal.console import Console

EXAMPLES: Final = """\
  .venv/bin/spot-responder history
  .venv/bin/spot-responder history --days 90 --by size
  .venv/bin/spot-responder history --days 7 --csv > recoveries.csv        one row for each recovery, times in UTC
"""
_DAYS: Final = 30
_MOST_DAYS: Final = 3660


def add(commands: Commands) -> None:
    """Add the command."""
    what = "closed recoveries by day, size or region: how many, times, start requests, outcomes, what agents told"
    command = add_command(commands, "history", what, _run, examples=EXAMPLES)
    days = whole_number(1, _MOST_DAYS)
    command.add_argument("--days", metavar="N", type=days, default=_DAYS, help=f"so many days back (default {_DAYS})")
    command.add_argument(
        "--by", choices=[str(by) for by in By], default=By.DAY, help="what to count by (default day, in UTC)"
    )
    command.add_argument("--csv", action="store_true", help="one row for each recovery, as CSV")


async def _run(arguments: Namespace, operator: Operator) -> CommandResult:
    if arguments.csv and arguments.json:
        message = "--csv and --json: choose one of them"
        raise StopError(message, MISUSED)
    last = operator.clock().astimezone(UTC).date()
    first = last - timedelta(days=arguments.days - 1)
    closed = await operator.ports.app.store.closed_between(first, last)
    seen = history(closed, first, last, By(arguments.by))
    return CommandResult(seen, lambda console: as_csv(seen) if arguments.csv else render(seen, console))


def as_csv(seen: History) -> str:
    """Write the recoveries as CSV, with the names of the fields as head."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [field.name for field in fields(Ended)]
    writer.writerow(names)
    writer.writerows([json_form(getattr(each, name)) for name in names] for each in seen.recoveries)
    return out.getvalue()


def render(seen: History, console: Console) -> str:
    """Write the history."""
    title = console.title(f"Recoveries closed from {seen.first} to {seen.last} (UTC), by {seen.by}")
    if not seen.recoveries:
        return f"{title}\nnone\n"
    heads = (
        *(str(seen.by), "recoveries", "restored", "median", "longest", "notice", "ready", "starts"),
        "other outcomes",
    )
    return f"{title}\n" + console.table(heads, [_row(tally) for tally in (*seen.tallies, seen.total)])


def _row(tally: Tally) -> list[str]:
    others = ", ".join(f"{name} {number}" for name, number in sorted(tally.outcomes.items()) if name != "restored")
    known = (tally.median_s, tally.longest_s, tally.median_notice_s, tally.median_ready_s)
    times = ["-" if seconds is None else span(timedelta(seconds=seconds)) for seconds in known]
    return [tally.key, str(tally.recoveries), str(tally.restored), *times, str(tally.start_requests), others]
