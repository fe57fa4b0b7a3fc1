"""``queues``: what each work queue asks for, and why. ``operators/work_queues.py`` looks; this module writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spot_responder.commands.arguments import add_command
from spot_responder.operators.views.vm_names import names
from spot_responder.operators.views.work_queues import QueueDemands, backlog_told
from spot_responder.operators.work_queues import gather_queues
from spot_responder.terminal.console import Colour, Painted
from spot_responder.terminal.results import FINE, WRONG, CommandResult
from spot_responder.text import count

if TYPE_CHECKING:
    from argparse import Namespace

    from spot_responder.commands.arguments import Commands
    from spot_responder.commands.run import Operator
    from spot_responder.operators.views.work_queues import QueueDemand, VmForWork
    from spot_responder.terminal.console import Cell, Console

EXAMPLES: Final = """\
  .venv/bin/spot-responder queues
  .venv/bin/spot-responder queues --json | jq '.queues[] | {name, messages, starts: [.vms[] | select(.starts).vm_id]}'

Takes no message and starts nothing. Ends with 1 where a queue cannot be read, or a VM of it needs somebody.
"""


def add(commands: Commands) -> None:
    """Add the command."""
    what = "what each work queue asks for: its messages, its VMs, and why"
    add_command(commands, "queues", what, _run, examples=EXAMPLES)


async def _run(_arguments: Namespace, operator: Operator) -> CommandResult:
    now = operator.clock()
    seen = QueueDemands(now, await gather_queues(operator.ports.app, operator.settings, now))
    is_wrong = any(demand.needs_somebody for demand in seen.queues)
    return CommandResult(seen, lambda console: render(seen, console), WRONG if is_wrong else FINE)


def render(seen: QueueDemands, console: Console) -> str:
    """Write what the queues ask for."""
    if not seen.queues:
        return "this deployment has no work queues: docs/work-queues.md\n"
    return "\n".join([console.title("Work queues"), *(_queue(demand, console) for demand in seen.queues)])


def _queue(demand: QueueDemand, console: Console) -> str:
    waits = f", waiting since {console.when(demand.waiting_since)}" if demand.waiting_since else ""
    rules = f"{demand.messages_per_vm} a VM, {count(demand.max_vms, 'VM')} at most"
    lines = [
        f"{console.paint(demand.name, Colour.HEAD)}: {backlog_told(demand)}{waits}; {rules}\n",
        f"because: {demand.reason}\n",
        f"the app looked last: {console.away(demand.looked_at)}\n",
        _vms(demand, console),
        *(f"{console.paint('!', Colour.BAD)} {vm.vm_id.name}: {vm.trouble}\n" for vm in demand.vms if vm.trouble),
    ]
    return "".join(lines)


def _vms(demand: QueueDemand, console: Console) -> str:
    if not demand.vms:
        return ""
    called = names(vm.vm_id for vm in demand.vms)
    rows = [_vm(vm, called[vm.vm_id], console) for vm in demand.vms]
    return console.table(("VM", "power", "stands", "worker", "last heard", "a look now"), rows)


def _vm(vm: VmForWork, called: str, console: Console) -> list[Cell]:
    start = Painted("would be asked for", Colour.GOOD) if vm.starts else "-"
    return [called, vm.power_state, vm.standing, vm.doing or "-", console.when(vm.last_word_at), start]
