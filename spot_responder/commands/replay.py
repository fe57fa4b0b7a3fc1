"""``replay``: shows the dead letters, and requeues or drops them.

``clients/dead_letters.py`` reads and moves them; ``operators/views/dead_letters.py`` says what is in them.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from spot_responder.commands.arguments import add_command, dead_letter_id
from spot_responder.operators.ports import CouldNotLookError
from spot_responder.operators.views.dead_letters import (
    DEAD_LETTERS,
    DeadLetter,
    Place,
    Reading,
    Unseen,
    read_dead_letter,
    why_not_requeued,
)
from spot_responder.terminal.results import FINE, MISUSED, WRONG, CommandResult, StopError
from spot_responder.text import count

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from spot_responder.commands.arguments import Commands
    from spot_responder.commands.run import Operator
    from spot_responder.operators.ports import DeadLetters
    from spot_responder.terminal.console import Console

EXAMPLES: Final = """\
  .venv/bin/spot-responder replay list                 what lies in the poison queues and in event-dead-letters
  .venv/bin/spot-responder replay show 1f0c2a9b        one message, as it came
  .venv/bin/spot-responder replay requeue 1f0c2a9b     onto the queue that it came from: the app reads it again
  .venv/bin/spot-responder replay drop 1f0c2a9b        away with it
  .venv/bin/spot-responder replay requeue --all

`list` ends with 1 where something lies there. Mend the cause first: a message that cannot be read comes back.
"""

_REQUEUED: Final = "requeued"


@dataclass(frozen=True, slots=True)
class Shown:
    """A dead letter, with what the app would read in it."""

    dead_letter: DeadLetter
    reading: Reading


@dataclass(frozen=True, slots=True)
class Found:
    """The dead letters that can be shown. ``behind``: how many messages, or blobs, lie behind those in a place."""

    messages: tuple[Shown, ...]
    behind: Mapping[Place, int] = field(default_factory=dict)
    unseen: tuple[Unseen, ...] = ()

    @property
    def is_all(self) -> bool:
        """Whether there are no more than these."""
        return not (self.behind or self.unseen)


def add(commands: Commands) -> None:
    """Add the command."""
    what = "messages that nobody could handle: list, show, requeue, drop"
    command = add_command(commands, "replay", what, _run, examples=EXAMPLES)
    command.add_argument("action", choices=("list", "show", "requeue", "drop"), help="what to do")
    command.add_argument("id", metavar="ID", nargs="?", type=dead_letter_id, help="which message, as `list` shows it")
    command.add_argument("--all", action="store_true", help="requeue, or drop, all that `list` shows")


async def _run(arguments: Namespace, operator: Operator) -> CommandResult:
    _check(arguments)
    found = await _look(operator.ports.dead_letters)
    if arguments.action == "list":
        is_fine = found.is_all and not found.messages
        return CommandResult(found, lambda console: render(found, console), FINE if is_fine else WRONG)
    chosen = [each for each in found.messages if arguments.all or each.dead_letter.dead_letter_id == arguments.id]
    if not chosen and not arguments.all:
        message = f"no message {arguments.id} is to be seen (any more): {operator.command('replay', 'list')}"
        raise StopError(message)
    if arguments.action == "show":
        return CommandResult({"messages": chosen}, lambda console: whole(chosen[0], console))
    return await _move(arguments.action, chosen, found if arguments.all else Found(()), operator)


async def _look(dead_letters: DeadLetters) -> Found:
    shown: list[Shown] = []
    unseen: list[Unseen] = []
    counts = await dead_letters.counts()
    places = [place for place in DEAD_LETTERS if place in counts.by_place]
    for place in places:
        try:
            shown += [
                Shown(dead_letter, read_dead_letter(dead_letter))
                for dead_letter in await dead_letters.dead_letters(place)
            ]
        except CouldNotLookError as problem:
            unseen.append(Unseen(place, problem.what, problem.mend, problem.is_wrong))
            if len(unseen) == len(places):
                raise
    number = {place: counts.by_place[place] or 0 for place in places}
    read = Counter(each.dead_letter.place for each in shown)
    behind = {place: number[place] - read[place] for place in places if number[place] > read[place]}
    return Found(tuple(shown), behind, tuple(unseen))


def _check(arguments: Namespace) -> None:
    needs_one = arguments.action == "show"
    if arguments.action == "list" and (arguments.id or arguments.all):
        message = "list takes neither an ID nor --all"
        raise StopError(message, MISUSED)
    if arguments.action != "list" and (bool(arguments.id) == arguments.all or (needs_one and arguments.all)):
        message = f"{arguments.action} takes {'one ID' if needs_one else 'either one ID or --all'}"
        raise StopError(message, MISUSED)


async def _move(action: str, chosen: list[Shown], beside: Found, operator: Operator) -> CommandResult:
    """Requeue or drop; a dead letter that the app cannot read is not requeued."""
    moved: list[Shown] = []
    left: list[Shown] = []
    for each in chosen:
        operator.progress(f"{action} {len(moved) + 1} of {len(chosen)}")
        if action == "requeue" and why_not_requeued(each.dead_letter, each.reading):
            left.append(each)
            continue
        box = operator.ports.dead_letters
        done = await (box.requeue(each.dead_letter) if action == "requeue" else box.drop(each.dead_letter))
        (moved if done else left).append(each)
    what = _REQUEUED if action == "requeue" else "dropped"
    text = f"{count(len(moved), 'message')} {what}\n" + "".join(_left(each, what) for each in left) + _beside(beside)
    content = {"moved": moved, "left": left, "behind": beside.behind, "unseen": beside.unseen}
    return CommandResult(content, lambda _: text, WRONG if left or not beside.is_all else FINE)


def _left(each: Shown, what: str) -> str:
    why = "it is not there any more, or somebody else has it in hand"
    if what == _REQUEUED:
        why = why_not_requeued(each.dead_letter, each.reading) or why
    return f"{each.dead_letter.dead_letter_id} was not {what}: {why}\n"


def _beside(found: Found) -> str:
    """Write what could not be shown."""
    lines = [f"{each.place} could not be looked into: {each.why}: {each.mend}\n" for each in found.unseen]
    for place, number in found.behind.items():
        behind = count(number, f"more {place.unit}")
        lines.append(f"{behind} in {place} behind these: deal with these, then look again\n")
    return "".join(lines)


def render(found: Found, console: Console) -> str:
    """Write the list."""
    title = console.title("Messages that nobody could handle")
    if not found.messages:
        return f"{title}\n{_beside(found) or 'none\n'}"
    heads = ("ID", "since", "in", "VM", "says", "why")
    rows = [
        [
            each.dead_letter.dead_letter_id,
            console.when(each.dead_letter.at),
            str(each.dead_letter.place),
            each.reading.vm.rpartition("/")[2] or "-",
            each.reading.what,
            each.reading.why,
        ]
        for each in found.messages
    ]
    return f"{title}\n{console.table(heads, rows)}{_beside(found)}"


def whole(each: Shown, console: Console) -> str:
    """Write one message, as it came."""
    lines = [
        f"in {each.dead_letter.place} since {console.when(each.dead_letter.at)}: {each.reading.what}",
        each.reading.why,
        "",
        *map(_pretty, each.dead_letter.bodies),
    ]
    return "\n".join(lines) + "\n"


def _pretty(body: str) -> str:
    """Indent JSON; write anything else in ASCII: it comes from anybody, and must not control a terminal."""
    try:
        return json.dumps(json.loads(body), indent=2)
    except (ValueError, RecursionError):
        return ascii(body)
