"""``replay``: messages that nobody could handle, to be looked at, put back or dropped."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spot_responder.amounts import count
from spot_responder.commands.answers import FINE, MISUSED, WRONG, Answer, StopError
from spot_responder.commands.arguments import add_command, letter_id
from spot_responder.letters import Letter, Place, Reading, read_letter

if TYPE_CHECKING:
    from argparse import Namespace

    from spot_responder.commands.arguments import Commands
    from spot_responder.commands.operators import Operator
    from spot_responder.commands.paper import Paper

EXAMPLES: Final = """\
  spot-responder replay list                 what lies in signals-poison and in event-dead-letters
  spot-responder replay show 1f0c2a9b        one message, as it came
  spot-responder replay put-back 1f0c2a9b    onto the queue signals: the app reads it again
  spot-responder replay drop 1f0c2a9b        away with it
  spot-responder replay put-back --all

`list` ends with 1 where something lies there. Mend the cause first: a message that cannot be read comes back.
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """A letter with what the app would make of it."""

    letter: Letter
    reading: Reading


def add(commands: Commands) -> None:
    """Add the command."""
    what = "messages that nobody could handle: list, show, put back, drop"
    command = add_command(commands, "replay", what, _run, examples=EXAMPLES)
    command.add_argument("action", choices=("list", "show", "put-back", "drop"), help="what to do")
    command.add_argument("id", metavar="ID", nargs="?", type=letter_id, help="which message, as `list` shows it")
    command.add_argument("--all", action="store_true", help="put back, or drop, all that `list` shows")


async def _run(arguments: Namespace, operator: Operator) -> Answer:
    _check(arguments)
    shown = [
        Shown(letter, read_letter(letter)) for place in Place for letter in await operator.doors.letters.letters(place)
    ]
    if arguments.action == "list":
        return Answer({"messages": shown}, lambda paper: told(shown, paper), WRONG if shown else FINE)
    chosen = shown if arguments.all else [each for each in shown if each.letter.letter_id == arguments.id]
    if not chosen and not arguments.all:
        message = f"no message {arguments.id} is there (any more): spot-responder replay list"
        raise StopError(message)
    if arguments.action == "show":
        return Answer({"messages": chosen}, lambda paper: whole(chosen[0], paper))
    return await _move(arguments.action, chosen, operator)


def _check(arguments: Namespace) -> None:
    needs_one = arguments.action == "show"
    if arguments.action == "list" and (arguments.id or arguments.all):
        message = "list takes neither an ID nor --all"
        raise StopError(message, MISUSED)
    if arguments.action != "list" and (bool(arguments.id) == arguments.all or (needs_one and arguments.all)):
        message = f"{arguments.action} takes {'one ID' if needs_one else 'either one ID or --all'}"
        raise StopError(message, MISUSED)


async def _move(action: str, chosen: list[Shown], operator: Operator) -> Answer:
    """Put back or drop; what the app could not read is put back for nothing, so it is not."""
    moved: list[Shown] = []
    left: list[Shown] = []
    for each in chosen:
        operator.progress(f"{action} {len(moved) + 1} of {len(chosen)}")
        if action == "put-back" and not each.reading.readable:
            left.append(each)
            continue
        box = operator.doors.letters
        done = await (box.put_back(each.letter) if action == "put-back" else box.drop(each.letter))
        (moved if done else left).append(each)
    operator.progress("")
    what = "put back" if action == "put-back" else "dropped"
    text = f"{count(len(moved), 'message')} {what}\n" + "".join(_left(each, what) for each in left)
    return Answer({"moved": moved, "left": left}, lambda _: text, WRONG if left else FINE)


def _left(each: Shown, what: str) -> str:
    why = f"the app cannot read it: {each.reading.why}" if not each.reading.readable else "it is not there any more"
    return f"{each.letter.letter_id} was not {what}: {why}\n"


def told(shown: list[Shown], paper: Paper) -> str:
    """Write the list."""
    title = paper.title("Messages that nobody could handle")
    if not shown:
        return f"{title}\nnone\n"
    heads = ("ID", "since", "in", "VM", "says", "why")
    rows = [
        [
            each.letter.letter_id,
            paper.when(each.letter.at),
            str(each.letter.place),
            each.reading.vm.rpartition("/")[2] or "-",
            each.reading.what,
            each.reading.why,
        ]
        for each in shown
    ]
    return f"{title}\n" + paper.table(heads, rows)


def whole(each: Shown, paper: Paper) -> str:
    """Write one message, as it came."""
    lines = [
        f"in {each.letter.place} since {paper.when(each.letter.at)}: {each.reading.what}",
        each.reading.why,
        "",
        _pretty(each.letter.body),
    ]
    return "\n".join(lines) + "\n"


def _pretty(body: str) -> str:
    """Set JSON out; anything else in ASCII: it is anybody's, and a terminal must not obey it."""
    try:
        return json.dumps(json.loads(body), indent=2)
    except (ValueError, RecursionError):
        return ascii(body)
