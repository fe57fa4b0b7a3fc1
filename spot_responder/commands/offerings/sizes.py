"""``sizes --like VM``: which sizes a VM could become. ``operators/sizes.py`` finds it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spot_responder.commands.arguments import add_command, vm_reference
from spot_responder.commands.find_vm import find_vm
from spot_responder.commands.offerings.prices import price
from spot_responder.offerings.fits import Verdict
from spot_responder.operators.sizes import LOOKED_BACK, gather_sizes
from spot_responder.terminal.console import Colour, Painted
from spot_responder.terminal.results import FINE, WRONG, CommandResult
from spot_responder.text import count, one_line

if TYPE_CHECKING:
    from argparse import Namespace

    from spot_responder.commands.arguments import Commands
    from spot_responder.commands.run import Operator
    from spot_responder.operators.views.offerings.pool_records import PoolRecord
    from spot_responder.operators.views.offerings.sizes import Candidate, SizesReport
    from spot_responder.terminal.console import Cell, Console

EXAMPLES: Final = """\
  .venv/bin/spot-responder sizes --like render-1
  .venv/bin/spot-responder sizes --like render-1 --json | jq -r '.candidates[] | select(.verdict == "fits") | .size'

Compared are the region's sizes with as many cores and as much memory, at most twice as much. Changes nothing. Ends with
1 where one of Azure's lists could not be read.
"""
_COLOURS: Final = {Verdict.FITS: Colour.GOOD, Verdict.UNFIT: Colour.BAD, Verdict.UNKNOWN: Colour.NOTICE}


def add(commands: Commands) -> None:
    """Add the command."""
    what = "the sizes that a VM could become: what fits, prices, quota, and what the app saw of their capacity"
    command = add_command(commands, "sizes", what, _run, examples=EXAMPLES)
    command.add_argument("--like", required=True, metavar="VM", type=vm_reference, help="name or ARM id")


async def _run(arguments: Namespace, operator: Operator) -> CommandResult:
    vm_id = await find_vm(arguments.like, operator.ports)
    report = await gather_sizes(vm_id, operator.ports, operator.clock(), operator.progress)
    return CommandResult(report, lambda console: render(report, console), WRONG if report.unread else FINE)


def render(report: SizesReport, console: Console) -> str:
    """Write the report."""
    parts = [
        console.title(f"Sizes like {report.vm_id.name}"),
        _about(report, console),
        _table(report, console),
        _left_out(report),
        f"to let it come back as one of these:\n  {report.tag_command}\n" if report.tag_command else "",
        *(f"{console.paint('not read', Colour.NOTICE)}: {one_line(each)}\n" for each in report.unread),
    ]
    return "\n".join(part for part in parts if part)


def _about(report: SizesReport, console: Console) -> str:
    vm = report.vm
    zone = f", zone {vm.zone}" if vm.zone else ""
    limit = "no limit" if vm.max_price is None else f"{vm.max_price:g}"
    cores = f"{report.cores.spare} of {report.cores.limit}" if report.cores else "not known"
    first = f", its first size, where it has {report.size_now} now" if report.size_now else ""
    return (
        f"{vm.size}{first} in {vm.location}{zone}, {vm.os or 'an unknown system'}\n"
        f"Spot price: {price(report.spot)} USD an hour; max price: {limit}; Spot cores left in the region: {cores}\n"
        f"its own pool: {_seen(report.pool, console)}\n"
    )


def _table(report: SizesReport, console: Console) -> str:
    if not report.candidates:
        return "no size like it fits\n" if report.left_out else "no size could be compared with it\n"
    rows = [_row(each, console) for each in report.candidates]
    heads = ("size", "is", "cores", "GB", "Spot price", "on demand", "its pool", "note")
    return console.table(heads, rows)


def _row(each: Candidate, console: Console) -> list[Cell]:
    return [
        each.size,
        Painted(each.verdict, _COLOURS[each.verdict]),
        "-" if each.cores is None else f"{each.cores:g}",
        "-" if each.memory_gb is None else f"{each.memory_gb:g}",
        price(each.spot),
        price(each.on_demand),
        _seen(each.pool, console),
        one_line("; ".join([*(["in its tag"] if each.named else []), *(finding.told for finding in each.because)])),
    ]


def _seen(pool: PoolRecord, console: Console) -> str:
    """Say what the app saw of a pool, the latest first."""
    told = []
    if pool.closed_until and pool.closed_until > console.now:
        told.append(f"closed until {console.when(pool.closed_until)}")
    elif pool.closed_until and pool.closed_until > console.now - LOOKED_BACK:
        told.append(f"refused; its pause ended at {console.when(pool.closed_until)}")
    if pool.under_way:
        told.append(f"{count(pool.under_way, 'VM')} being tried")
    if pool.came_up_at and not pool.restored_at:
        told.append(f"a VM came up at {console.when(pool.came_up_at)}")
    if pool.restored_at:
        told.append(f"{count(pool.restored, 'VM')} restored, the last at {console.when(pool.restored_at)}")
    if pool.refused:
        told.append(f"{count(pool.refused, 'recovery', 'recoveries')} met no capacity")
    return "; ".join(told) or f"not tried in {LOOKED_BACK.days} days"


def _left_out(report: SizesReport) -> str:
    if not report.left_out:
        return ""
    reasons = "; ".join(f"{aspect}: {number}" for aspect, number in report.left_out.items())
    return f"{count(sum(report.left_out.values()), 'size')} like it would not do: {reasons}\n"
