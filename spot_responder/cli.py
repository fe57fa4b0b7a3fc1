"""The operator's command line: parses it, runs the command, writes its result. Called by ``__main__.py``."""

from __future__ import annotations

import argparse
import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from spot_responder.advised_command import PROGRAM
from spot_responder.commands import (
    doctor,
    drill,
    explain,
    history,
    hold,
    plan,
    queues,
    read,
    read_prices,
    replay,
    status,
)
from spot_responder.commands.arguments import Parser
from spot_responder.commands.offerings import prices, sizes
from spot_responder.commands.run import run_as_operator
from spot_responder.commands.trials import trial
from spot_responder.operators.views.json_form import json_form
from spot_responder.terminal.console import Console
from spot_responder.terminal.output import complain, is_coloured, make_output_bear_anything, write_out
from spot_responder.terminal.results import StopError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from spot_responder.terminal.results import CommandResult

_EXAMPLES: Final = """\
examples:
  .venv/bin/spot-responder status                    what is going on
  .venv/bin/spot-responder explain render-1          why is it down, what comes next
  .venv/bin/spot-responder plan                      what would a sweep do now
  .venv/bin/spot-responder status --local            the same of the laptop Azure (make run)
  .venv/bin/spot-responder read-event event.json     what would the app make of this event

That is how `make setup` installs it, and how it is spelled from the clone's folder.

The app is found by its own settings, in the environment: AzureWebJobsStorage__queueServiceUri and the others of
docs/operations.md §4. The login is that of `az login`. Exit codes: 0 fine; 1 something is wrong in what was looked
at, or it could not be looked; 2 the command was misused; 130 interrupted. What could not be done is one line on
standard error, with --json JSON; what is mistyped is one line in any case.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the process's exit code: 0, 1, or 2 after one line on standard error."""
    make_output_bear_anything()
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as end:
        return write_out("", "spot-responder", int(end.code or 0))
    try:
        answer: CommandResult = (
            arguments.read(arguments) if "read" in arguments else run_as_operator(arguments, os.environ)
        )
    except StopError as stop:
        text = json.dumps({"command": arguments.name, "error": str(stop)})
        complain(text if arguments.json else f"{arguments.name}: {stop}")
        return stop.exit_code
    except KeyboardInterrupt:
        complain(f"{arguments.name}: interrupted")
        return 130
    return write_out(_text(answer, as_json=arguments.json), arguments.name, answer.exit_code)


def _text(answer: CommandResult, *, as_json: bool) -> str:
    if as_json or answer.text is None:
        return json.dumps(json_form(answer.content), indent=2 if answer.text else None) + "\n"
    now = datetime.now(UTC)
    return answer.text(Console(now, _zone(now), is_coloured()))


def _zone(now: datetime) -> tzinfo:
    """Give the reader's time zone; UTC where TZ names one that is a day or more away."""
    try:
        return now.astimezone().tzinfo or UTC
    except ValueError:
        return UTC


def _parser() -> Parser:
    parser = Parser(
        prog=PROGRAM,
        description="What the Spot Responder does, why, and what next.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    for module in (
        status,
        explain,
        plan,
        queues,
        history,
        doctor,
        prices,
        sizes,
        drill,
        replay,
        hold,
        trial,
        read,
        read_prices,
    ):
        module.add(commands)
    return parser
