"""``explain VM``: why it is as it is, and what comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spot_responder.commands.arguments import add_command, add_vm
from spot_responder.commands.console import Colour
from spot_responder.commands.results import FINE, WRONG, Answer
from spot_responder.commands.run import find_vm
from spot_responder.operators.gather import look_at
from spot_responder.text import count

if TYPE_CHECKING:
    from argparse import Namespace

    from spot_responder.commands.arguments import Commands
    from spot_responder.commands.console import Paper
    from spot_responder.commands.run import Operator
    from spot_responder.operators.views.explanation import Explanation

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


async def _run(arguments: Namespace, operator: Operator) -> Answer:
    vm_id = await find_vm(arguments.vm, operator.doors)
    called = str(arguments.vm)
    clients, now = operator.doors.clients, operator.clock()
    explanation = await look_at(vm_id, clients, operator.settings, now, called, operator.command)
    return Answer(explanation, lambda paper: told(explanation, paper), WRONG if explanation.needs_you else FINE)


def told(explanation: Explanation, paper: Paper) -> str:
    """Write the explanation."""
    colour = Colour.BAD if explanation.needs_you else Colour.NOTICE if explanation.case else Colour.GOOD
    lines = [paper.title(explanation.vm_id.name), paper.paint(explanation.headline, colour), "", str(explanation.vm_id)]
    if explanation.pool:
        lines.append(f"pool: {explanation.pool}")
    lines += [f"near miss: {miss.what}" for miss in explanation.near_misses]
    lines += _section(paper, "told", [f"{paper.when(each.at)}  {each.what}" for each in explanation.told])
    lines += _section(paper, "tried", list(explanation.tried))
    lines += _section(paper, "next", [_next(explanation, paper)])
    lines += _section(paper, "before", _before(explanation, paper))
    lines += _section(paper, "you may", list(explanation.advice))
    return "\n".join(lines) + "\n"


def _section(paper: Paper, name: str, lines: list[str]) -> list[str]:
    return ["", paper.paint(name, Colour.HEAD), *(f"  {line}" for line in lines)] if lines else []


def _next(explanation: Explanation, paper: Paper) -> str:
    at = explanation.next.at
    if at and at <= explanation.at:
        return f"{explanation.next.what}, now"
    return explanation.next.what + (f", at {paper.away(at)}" if at else "")


def _before(explanation: Explanation, paper: Paper) -> list[str]:
    lines = [f"{paper.when(last.at)}  {last.what}"] if (last := explanation.last_case) else []
    if explanation.restarts_today:
        often = count(explanation.restarts_today, "time")
        lines.append(f"came back {often} within a day; {explanation.restarts_allowed} are allowed")
    return lines
