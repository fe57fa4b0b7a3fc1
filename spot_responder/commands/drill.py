"""``drill VM…``: has Azure evict covered VMs, and waits until the app has brought them back.

``operators/views/drill.py`` follows each VM's row.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.commands.arguments import add_command, add_vm, whole_number
from spot_responder.commands.find_vm import find_vm
from spot_responder.intake.azure_errors import NO_ANSWER
from spot_responder.operators.gather import gather_explanation
from spot_responder.operators.views.drill import Drill, Drilled, DrillState, observed, why_not_drilled
from spot_responder.operators.views.vm_names import names, reference
from spot_responder.responder.ports import AzureRefusedError, StoreFailedError
from spot_responder.responder.sizes.azure_lists import COMPUTE_API
from spot_responder.terminal.console import Colour, Painted
from spot_responder.terminal.results import FINE, WRONG, CommandResult, StopError
from spot_responder.text import span

if TYPE_CHECKING:
    from argparse import Namespace
    from datetime import datetime

    from spot_responder.advised_command import CommandLine
    from spot_responder.commands.arguments import Commands
    from spot_responder.commands.run import Operator
    from spot_responder.intake.vms import VmId
    from spot_responder.terminal.console import Cell, Console

EXAMPLES: Final = """\
  .venv/bin/spot-responder drill render-1
  .venv/bin/spot-responder drill render-1 render-2 --minutes 90

*This evicts the VMs*: what runs on them is interrupted, as by a real eviction. Azure may take 30 minutes to begin.
Your login needs Microsoft.Compute/virtualMachines/simulateEviction/action. Ends with 0 if the app brought all of them
back, with 1 if not.
"""
_MINUTES: Final = 60
_MOST_MINUTES: Final = 24 * 60
_FROM: Final = (
    '"evicted after" counts from the request to Azure; "told after", "start after" and "back after" count from the '
    "eviction\n"
)
_LOOK_S: Final = 1.0
"""How long a drill waits between two reads of a VM's row, in seconds."""


def add(commands: Commands) -> None:
    """Add the command."""
    what = "simulate an eviction of VMs, wait until they are back, and say how long each step took"
    command = add_command(commands, "drill", what, _run, examples=EXAMPLES)
    add_vm(command, many=True)
    minutes = whole_number(1, _MOST_MINUTES)
    text = f"give up after so long (default {_MINUTES})"
    command.add_argument("--minutes", metavar="N", type=minutes, default=_MINUTES, help=text)


async def _run(arguments: Namespace, operator: Operator) -> CommandResult:
    called = {await find_vm(reference, operator.ports): str(reference) for reference in arguments.vm}
    vm_ids, ports = list(called), operator.ports.app
    known = [
        await gather_explanation(vm_id, ports, operator.settings, operator.clock(), called[vm_id]) for vm_id in vm_ids
    ]
    why_not = why_not_drilled(known, operator.command)
    if why_not:
        message = f"nobody was evicted: {why_not}"
        raise StopError(message)
    drilled = [await _evict(vm_id, operator) for vm_id in vm_ids]
    until = operator.clock() + timedelta(minutes=arguments.minutes)
    try:
        drilled = await _watch(drilled, until, operator)
    except asyncio.CancelledError:
        operator.tell(f"the app goes on without this command; how it goes: {operator.command('status')}")
        raise
    drill = Drill(tuple(drilled), all(each.passed for each in drilled), not all(each.is_over for each in drilled))
    return CommandResult(
        drill, lambda console: render(drill, console, operator.command), FINE if drill.passed else WRONG
    )


async def _evict(vm_id: VmId, operator: Operator) -> Drilled:
    asked_at = operator.clock()
    stored = await operator.ports.app.store.load(vm_id)
    drilled = Drilled(vm_id, asked_at, stored.value.recovery_id if stored.value else "")
    try:
        await operator.ports.resource_manager.ask("POST", f"{vm_id}/simulateEviction", COMPUTE_API)
    except AzureRefusedError as refused:
        # Other VMs may be evicted already, so the drill goes on. Without an answer, Azure may have got the request.
        state = DrillState.ASKED if refused.failure.code == NO_ANSWER else DrillState.REFUSED
        drilled = replace(drilled, state=state, reason=str(refused))
    operator.tell(f"{vm_id.name}: {drilled.state}")
    return drilled


async def _watch(drilled: list[Drilled], until: datetime, operator: Operator) -> list[Drilled]:
    while operator.clock() < until and not all(each.is_over for each in drilled):
        back = sum(each.passed for each in drilled)
        operator.progress(f"{back} of {len(drilled)} are back; giving up in {span(until - operator.clock())}")
        await asyncio.sleep(_LOOK_S)
        drilled = [each if each.is_over else await _look(each, operator) for each in drilled]
    return drilled


async def _look(before: Drilled, operator: Operator) -> Drilled:
    try:
        stored = await operator.ports.app.store.load(before.vm_id)
    except StoreFailedError as failed:
        # One failed read does not end a drill of half an hour: the next comes a second later.
        if not before.unseen:
            operator.tell(f"{before.vm_id.name}: looked at in vain, and once more each second: {failed}")
        return replace(before, unseen=str(failed))
    after = observed(replace(before, unseen=""), stored.value)
    if after.state is not before.state:
        operator.tell(f"{after.vm_id.name}: {after.state}, {_since(after)}")
    return after


def _since(drilled: Drilled) -> str:
    """Write the time of a step as the table does: from the eviction, since Azure's delay before it is not the app's."""
    came_at = drilled.back_at or drilled.start_asked_at or drilled.told_at or drilled.asked_at
    if drilled.evicted_at is None:
        return f"{span(came_at - drilled.asked_at)} after the request"
    return f"{span(came_at - drilled.evicted_at)} after the eviction"


def render(drill: Drill, console: Console, command: CommandLine) -> str:
    """Write how the drill went."""
    heads = ("VM", "drill", "evicted after", "told after", "start after", "back after", "starts", "because")
    called = names(each.vm_id for each in drill.vms)
    rows = [_row(each, called[each.vm_id]) for each in drill.vms]
    counted = f"{sum(each.passed for each in drill.vms)} of {len(drill.vms)} are back"
    end = (
        console.paint(f"passed: {counted}", Colour.GOOD)
        if drill.passed
        else console.paint(f"failed: {counted}", Colour.BAD)
    )
    failed = [each.vm_id for each in drill.vms if not each.passed]
    advice = "" if drill.passed else f"\nwhy: {command('explain', reference(failed[0], called))}; {command('doctor')}"
    return f"{console.title('Drill')}\n{console.table(heads, rows)}{_FROM}\n{end}{advice}\n"


def _row(each: Drilled, called: str) -> list[Cell]:
    evicted_after = span(each.evicted_at - each.asked_at) if each.evicted_at else "-"
    times = (each.told_at, each.start_asked_at, each.back_at)
    after = [span(at - each.evicted_at) if at and each.evicted_at else "-" for at in times]
    because = each.unseen or each.reason or each.state
    verdict = Painted("passed", Colour.GOOD) if each.passed else Painted("failed", Colour.BAD)
    return [called, verdict, evicted_after, *after, str(each.start_requests), because]
