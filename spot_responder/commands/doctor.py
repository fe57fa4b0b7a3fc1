"""``doctor``: whether all that the app needs is there. ``operators/doctor.py`` checks; this module writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spot_responder.commands.arguments import add_command
from spot_responder.operators.doctor import diagnosis
from spot_responder.operators.views.findings import Diagnosis, Health
from spot_responder.terminal.console import Colour, Painted
from spot_responder.terminal.results import FINE, WRONG, CommandResult
from spot_responder.text import count

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from spot_responder.commands.arguments import Commands
    from spot_responder.commands.run import Operator
    from spot_responder.operators.views.findings import Finding
    from spot_responder.terminal.console import Cell, Console

EXAMPLES: Final = """\
  .venv/bin/spot-responder doctor
  .venv/bin/spot-responder doctor --json | jq '.findings[] | select(.health == "bad")'

Changes nothing: the right to start is tried on a VM that does not exist. Rights are tried as whoever is logged in; the
app's own are read from its role. Looks at the subscriptions in which your login sees a Spot VM. Ends with 1 where
something is wrong; what could not be looked at is not.
"""
_COLOURS: Final = {Health.GOOD: Colour.GOOD, Health.BAD: Colour.BAD, Health.UNSEEN: Colour.NOTICE}


def add(commands: Commands) -> None:
    """Add the command."""
    what = "login, clock, storage, work queues, rights, topics, event subscriptions; what is wrong, and what mends it"
    add_command(commands, "doctor", what, _run, examples=EXAMPLES)


async def _run(_arguments: Namespace, operator: Operator) -> CommandResult:
    found = await diagnosis(operator.ports, operator.settings, operator.clock, operator.progress, operator.command)
    return CommandResult(found, lambda console: render(found, console), FINE if found.is_well else WRONG)


def _where(found: Diagnosis) -> Callable[[Finding], str]:
    """Give the function that names a finding's subscription: nothing, if there is only one."""
    several = len({each.subscription for each in found.findings if each.subscription}) > 1
    return lambda finding: f" in {finding.subscription}" if several and finding.subscription else ""


def render(found: Diagnosis, console: Console) -> str:
    """Write the findings."""
    where = _where(found)
    rows: list[list[Cell]] = [
        [f"{each.what}{where(each)}", Painted(each.health, _COLOURS[each.health]), each.told] for each in found.findings
    ]
    mend = [f"mend {each.what}{where(each)}: {each.mend}\n" for each in found.findings if each.mend]
    bad = sum(each.health is Health.BAD for each in found.findings)
    unseen = sum(each.health is Health.UNSEEN for each in found.findings)
    end = console.paint(f"{count(bad, 'thing')} wrong", Colour.BAD)
    if not bad and unseen:
        end = console.paint("nothing wrong was seen", Colour.NOTICE)
    elif not bad:
        end = console.paint("all is well", Colour.GOOD)
    more = f"; {count(unseen, 'thing')} could not be looked at" if unseen else ""
    table = console.table(("what", "is", "told"), rows)
    return f"{console.title('Check-up as ' + found.login)}\n{table}\n{''.join(mend)}{end}{more}\n"
