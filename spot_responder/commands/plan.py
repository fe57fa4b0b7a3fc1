"""``plan``: what a sweep would do now. ``operators/gather.py`` foretells it; this module writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spot_responder.commands.arguments import add_command
from spot_responder.offerings.fallback_tag import TAG
from spot_responder.operators.gather import gather_plan
from spot_responder.operators.views.plan import Would
from spot_responder.operators.views.tag_typos import tag_command
from spot_responder.operators.views.vm_names import names
from spot_responder.terminal.console import Colour, Painted
from spot_responder.terminal.results import FINE, WRONG, CommandResult
from spot_responder.text import count

if TYPE_CHECKING:
    from argparse import Namespace

    from spot_responder.commands.arguments import Commands
    from spot_responder.commands.run import Operator
    from spot_responder.operators.views.plan import PassedBy, Plan, SizesOff
    from spot_responder.terminal.console import Cell, Console

EXAMPLES: Final = """\
  .venv/bin/spot-responder plan
  .venv/bin/spot-responder plan --json | jq -r '.passed_by[] | select(.tag_typos != []) | .vm_id'

Starts nothing. Ends with 1 where a tag was surely meant as ours and is not, or names sizes that are none.
"""
_COLOURS: Final = {
    Would.START: Colour.GOOD,
    Would.WAIT: Colour.NOTICE,
    Would.CLOSE: Colour.FAINT,
    Would.LEAVE_ALONE: Colour.FAINT,
}


def add(commands: Commands) -> None:
    """Add the command."""
    what = "what a sweep would do now, without doing it, and which Spot VMs are not covered"
    add_command(commands, "plan", what, _run, examples=EXAMPLES)


async def _run(_arguments: Namespace, operator: Operator) -> CommandResult:
    def progress(done: int, of: int) -> None:
        operator.progress(f"looked at {done} of {of} VMs")

    plan = await gather_plan(operator.ports, operator.settings, operator.clock(), progress)
    tag = operator.settings.policy.restart_tag
    is_wrong = bool(plan.bad_tags) or any(each.tag_typos for each in plan.passed_by)
    return CommandResult(plan, lambda console: render(plan, tag, console), WRONG if is_wrong else FINE)


def render(plan: Plan, restart_tag: str, console: Console) -> str:
    """Write the plan."""
    title = "A sweep now" + (", which would start nothing: DRY_RUN is true" if plan.dry_run else "")
    parts = [
        console.title(title),
        _finds(plan, console),
        f"being recovered already, which a sweep does not touch: {_names(plan)}\n",
        f"{count(plan.covered_and_up, 'covered VM runs', 'covered VMs run')}\n",
        _work_queues(plan, console),
        _passed_by(plan, console),
        _tag_typos(plan, restart_tag, console),
        _bad_tags(plan, console),
        _sizes_off(plan.sizes_off, console),
    ]
    return "\n".join(part for part in parts if part)


def _names(plan: Plan) -> str:
    called = names(plan.busy)
    return ", ".join(called[vm_id] for vm_id in plan.busy) or "none"


def _finds(plan: Plan, console: Console) -> str:
    if not plan.finds:
        return "it would find nothing\n"
    called = names(find.vm_id for find in plan.finds)
    rows: list[list[Cell]] = [
        [called[find.vm_id], str(find.found_by), Painted(find.would, _COLOURS[find.would]), find.reason]
        for find in plan.finds
    ]
    return f"it would find {count(len(rows), 'VM')}\n" + console.table(("VM", "found by", "would", "because"), rows)


def _work_queues(plan: Plan, console: Console) -> str:
    if not plan.work_queues:
        return ""
    rows: list[list[Cell]] = [
        [demand.name, ", ".join(vm.vm_id.name for vm in demand.starts) or "-", demand.unseen or demand.reason]
        for demand in plan.work_queues
    ]
    return "its look at the work queues\n" + console.table(("queue", "would start", "because"), rows)


def _passed_by(plan: Plan, console: Console) -> str:
    if not plan.shown:
        render = "Resource Graph shows no Spot VM to your login: is there one, and do you have Reader where it is?"
        return console.paint(render, Colour.NOTICE) + "\n"
    if not plan.passed_by:
        return "no Spot VM is passed by\n"
    called = names(each.vm_id for each in plan.passed_by)
    rows = [[called[each.vm_id], _why(each)] for each in plan.passed_by]
    return f"{count(len(rows), 'Spot VM')} not covered\n" + console.table(("VM", "because"), rows)


def _why(each: PassedBy) -> str:
    return "; ".join([each.why_not, *(f"but {miss.what}" for miss in each.tag_typos)])


def _tag_typos(plan: Plan, restart_tag: str, console: Console) -> str:
    near = [each.vm_id for each in plan.passed_by if each.tag_typos]
    lines = [f"{console.paint('!', Colour.BAD)} if its owner wants it: {tag_command(vm, restart_tag)}\n" for vm in near]
    return "".join(lines)


def _bad_tags(plan: Plan, console: Console) -> str:
    called = names(each.vm_id for each in plan.bad_tags)
    lines = [f"{console.paint('!', Colour.BAD)} {called[each.vm_id]}: {each.problem}\n" for each in plan.bad_tags]
    return "".join(lines)


def _sizes_off(off: SizesOff | None, console: Console) -> str:
    if off is None:
        return ""
    called = names(off.vm_ids)
    who = ", ".join(called[vm_id] for vm_id in off.vm_ids)
    name = count(len(off.vm_ids), "VM names other sizes in its tag", "VMs name other sizes in their tag")
    told = f"{name} {TAG}, and the app may change none (RESIZE_CLIENT_ID is not set): {who}; {off.what_to_do}"
    return f"{console.paint('!', Colour.NOTICE)} {told}\n"
