"""``explain VM``: why a VM is as it is, and what comes next. ``operators/views/explanation.py`` finds it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spot_responder.commands.arguments import add_command, add_vm
from spot_responder.commands.find_vm import find_vm
from spot_responder.operators.gather import gather_explanation
from spot_responder.terminal.console import Colour
from spot_responder.terminal.results import FINE, WRONG, CommandResult
from spot_responder.text import count

if TYPE_CHECKING:
    from argparse import Namespace

    from spot_responder.commands.arguments import Commands
    from spot_responder.commands.run import Operator
    from spot_responder.operators.views.explanation import Explanation
    from spot_responder.terminal.console import Console

EXAMPLES: Final = """\
  .venv/bin/spot-responder explain render-1
  .venv/bin/spot-responder explain /subscriptions/…/resourceGroups/…/virtualMachines/render-1
  .venv/bin/spot-responder explain render-1 --json | jq -r .headline

Ends with 1 where somebody has to do something: a role, a quota, a mistyped tag, a VM that is not there.
"""


def add(commands: Commands) -> None:
    """Add the command."""
    what = "why a VM is as it is, and what comes next; also for one that is not covered"
    add_vm(add_command(commands, "explain", what, _run, examples=EXAMPLES))


async def _run(arguments: Namespace, operator: Operator) -> CommandResult:
    vm_id = await find_vm(arguments.vm, operator.ports)
    called = str(arguments.vm)
    ports, now = operator.ports.app, operator.clock()
    offers = operator.ports.resource_manager
    explanation = await gather_explanation(vm_id, ports, operator.settings, now, called, operator.command, offers)
    return CommandResult(
        explanation, lambda console: render(explanation, console), WRONG if explanation.needs_you else FINE
    )


def render(explanation: Explanation, console: Console) -> str:
    """Write the explanation."""
    colour = Colour.BAD if explanation.needs_you else Colour.NOTICE if explanation.recovery else Colour.GOOD
    lines = [
        console.title(explanation.vm_id.name),
        console.paint(explanation.headline, colour),
        "",
        str(explanation.vm_id),
    ]
    if explanation.pool:
        lines.append(f"pool: {explanation.pool}")
    if explanation.work_queue:
        lines.append(f"work queue: {explanation.work_queue}")
    lines += [f"near miss: {miss.what}" for miss in explanation.tag_typos]
    lines += _section(console, "evidence", [f"{console.when(each.at)}  {each.what}" for each in explanation.evidence])
    lines += _section(console, "tried", list(explanation.tried))
    lines += _section(console, "next", [_next(explanation, console)])
    lines += _section(console, "before", _before(explanation, console))
    lines += _section(console, "you may", list(explanation.advice))
    return "\n".join(lines) + "\n"


def _section(console: Console, name: str, lines: list[str]) -> list[str]:
    return ["", console.paint(name, Colour.HEAD), *(f"  {line}" for line in lines)] if lines else []


def _next(explanation: Explanation, console: Console) -> str:
    at = explanation.next.at
    if at and at <= explanation.at:
        return f"{explanation.next.what}, now"
    return explanation.next.what + (f", at {console.away(at)}" if at else "")


def _before(explanation: Explanation, console: Console) -> list[str]:
    lines = [f"{console.when(last.at)}  {last.what}"] if (last := explanation.last_recovery) else []
    if explanation.restarts_today:
        often = count(explanation.restarts_today, "time")
        lines.append(f"came back {often} within a day; {explanation.restarts_allowed} are allowed")
    return lines
