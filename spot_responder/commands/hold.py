"""``hold``, ``release`` and ``retry``: what an operator does about one VM. ``operators/act.py`` does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spot_responder.commands.arguments import add_command, add_vm
from spot_responder.commands.find_vm import find_vm_that_is
from spot_responder.operators.act import hold, release, retry
from spot_responder.operators.gather import foresee_retry
from spot_responder.responder.ports import AzureRefusedError
from spot_responder.terminal.results import FINE, WRONG, CommandResult

if TYPE_CHECKING:
    from argparse import Namespace

    from spot_responder.commands.arguments import Commands
    from spot_responder.commands.run import Operator
    from spot_responder.intake.vms import VmId

HOLD_EXAMPLES: Final = """\
  .venv/bin/spot-responder hold render-1
  .venv/bin/spot-responder status

A held VM is started by nothing of ours, now and after later evictions, until it is released. What its owner,
or Azure, does with it is not touched.
"""
RELEASE_EXAMPLES: Final = """\
  .venv/bin/spot-responder release render-1

The app then looks at it at once. Ends with 1 where it was not held.
"""
RETRY_EXAMPLES: Final = """\
  .venv/bin/spot-responder retry render-1

The app is asked to look at it at once, and tries a start if nothing but a pause after a refusal stands against it: no
hold, no owner's stop, no brake, no budget, and not that Azure asked to slow down. A closed pool is probed by this VM.
Where a start is not to be expected, it says so.
"""


def add(commands: Commands) -> None:
    """Add the three commands."""
    what = "keep a VM from being started by us until it is released"
    add_vm(add_command(commands, "hold", what, _hold, examples=HOLD_EXAMPLES))
    add_vm(add_command(commands, "release", "end a hold", _release, examples=RELEASE_EXAMPLES))
    what = "look at a VM now, without waiting for the pause after a refusal"
    add_vm(add_command(commands, "retry", what, _retry, examples=RETRY_EXAMPLES))


async def _hold(arguments: Namespace, operator: Operator) -> CommandResult:
    vm_id = await find_vm_that_is(arguments.vm, operator.ports)
    row = await hold(operator.ports.app.store, vm_id, operator.clock(), operator.new_id)
    return CommandResult(
        {"vm_id": vm_id, "held_at": row.held_at},
        lambda console: (
            f"{vm_id.name} is held since {console.when(row.held_at)}; "
            f"to end it: {operator.command('release', arguments.vm)}\n"
        ),
    )


async def _release(arguments: Namespace, operator: Operator) -> CommandResult:
    vm_id = await find_vm_that_is(arguments.vm, operator.ports)
    store, queue = operator.ports.app.store, operator.ports.app.queue
    was_held = await release(store, queue, vm_id, operator.clock(), operator.new_id)
    text = "is released; the app was asked to look at it now" if was_held else "was not held"
    return CommandResult(
        {"vm_id": vm_id, "was_held": was_held}, lambda _: f"{vm_id.name} {text}\n", FINE if was_held else WRONG
    )


async def _retry(arguments: Namespace, operator: Operator) -> CommandResult:
    vm_id = await find_vm_that_is(arguments.vm, operator.ports)
    why_in_vain = await _why_in_vain(vm_id, operator)
    await retry(operator.ports.app.queue, vm_id, operator.clock(), operator.new_id)
    row = (await operator.ports.app.store.load(vm_id)).value
    held_at = row.held_at if row else None
    but, then = "", f"what comes of it: {operator.command('explain', arguments.vm)}"
    if operator.settings.dry_run:
        but = "; DRY_RUN is true, so nothing is started"
    elif held_at:
        but = f", and does not start it: an operator holds it since {held_at:%Y-%m-%d %H:%M:%S}Z"
        then = f"to end the hold: {operator.command('release', arguments.vm)}"
    elif why_in_vain:
        but = f", and does not start it: {why_in_vain}"
        then = f"more of it: {operator.command('explain', arguments.vm)}"
    content = {
        "vm_id": vm_id,
        "asked": True,
        "dry_run": operator.settings.dry_run,
        "held_at": held_at,
        "why_in_vain": why_in_vain,
    }
    return CommandResult(content, lambda _: f"the app was asked to look at {vm_id.name} now{but}; {then}\n")


async def _why_in_vain(vm_id: VmId, operator: Operator) -> str:
    """Say why a retry would have no effect, by the app's own rules, as far as the login may see."""
    try:
        ports = operator.ports
        return await foresee_retry(vm_id, ports.app, operator.settings, operator.clock(), ports.resource_manager)
    except AzureRefusedError:
        return ""
