"""``prices``: the max prices of the covered VMs against today's Spot prices. ``operators/prices.py`` compares them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spot_responder.commands.arguments import add_command
from spot_responder.offerings.max_prices import Standing
from spot_responder.operators.prices import gather_prices
from spot_responder.operators.views.vm_names import names
from spot_responder.terminal.console import Colour, Painted
from spot_responder.terminal.results import FINE, WRONG, CommandResult
from spot_responder.text import one_line

if TYPE_CHECKING:
    from argparse import Namespace

    from spot_responder.commands.arguments import Commands
    from spot_responder.commands.run import Operator
    from spot_responder.operators.views.offerings.prices import PriceReport, VmPrice
    from spot_responder.terminal.console import Cell, Console

EXAMPLES: Final = """\
  .venv/bin/spot-responder prices
  .venv/bin/spot-responder prices --json | jq -r '.vms[] | select(.standing == "below") | .commands[]'

Prices are list prices in USD an hour, from Azure's public price list; an unknown one is written "-". Ends with 1 where
a start would be refused because the Spot price is above the VM's max price, or where it is not known whether it is.
"""
_COLOURS: Final = {
    Standing.NO_LIMIT: Colour.FAINT,
    Standing.OK: Colour.GOOD,
    Standing.NEAR: Colour.NOTICE,
    Standing.BELOW: Colour.BAD,
    Standing.UNKNOWN: Colour.NOTICE,
}
_SAID: Final = {
    Standing.NO_LIMIT: "no limit",
    Standing.OK: "OK",
    Standing.NEAR: "near: the next change of the price may be above it",
    Standing.BELOW: "below: a start would be refused",
    Standing.UNKNOWN: "unknown",
}


def add(commands: Commands) -> None:
    """Add the command."""
    what = "the max price of each covered VM against today's Spot price, with the commands that set a new one"
    add_command(commands, "prices", what, _run, examples=EXAMPLES)


async def _run(_arguments: Namespace, operator: Operator) -> CommandResult:
    def progress(done: int, of: int) -> None:
        operator.progress(f"found {done} of {of} prices")

    report = await gather_prices(operator.ports, operator.settings, operator.clock(), progress)
    return CommandResult(report, lambda console: render(report, console), WRONG if report.needs_somebody else FINE)


def render(report: PriceReport, console: Console) -> str:
    """Write the report."""
    title = console.title("Max prices, in USD an hour")
    if not report.vms:
        return f"{title}\nno covered VM is shown to your login: see plan\n"
    called = names(each.vm_id for each in report.vms)
    rows: list[list[Cell]] = [
        [
            called[each.vm_id],
            each.size,
            each.location,
            each.os or "-",
            price(each.max_price),
            price(each.spot),
            price(each.on_demand),
            Painted(_SAID[each.standing], _COLOURS[each.standing]),
        ]
        for each in report.vms
    ]
    heads = ("VM", "size", "region", "OS", "max price", "Spot price", "on demand", "the max price is")
    table = console.table(heads, rows)
    return f"{title}\n{table}{''.join(_more(each, called[each.vm_id], console) for each in report.vms)}"


def price(amount: float | None) -> str:
    """Write a price; an unknown one, and no limit, as ``-``."""
    return "-" if amount is None else f"{amount:.5f}"


def _more(each: VmPrice, name: str, console: Console) -> str:
    if each.standing is Standing.UNKNOWN:
        return f"\n{name}: {one_line(each.why[0])}\n"
    if not each.commands:
        return ""
    advice = f"{name}: to set a max price of {each.suggested}"
    if len(each.commands) > 1:
        advice += ", which Azure lets you do only while it is deallocated"
    lines = "".join(f"  {command}\n" for command in each.commands)
    return f"\n{console.paint(advice, Colour.HEAD)}\n{lines}"
