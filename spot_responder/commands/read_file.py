"""What the commands share that read a file, and ask nothing of Azure. Called by ``read.py`` and ``read_prices.py``."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spot_responder.intake.payloads import UnreadableEvent
from spot_responder.terminal.results import MISUSED, CommandResult, StopError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from spot_responder.commands.arguments import Commands, Parser


class UnreadableFileError(ValueError):
    """The file is missing, cannot be read, or is not of the kind that the command reads."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A command that reads a file and prints one JSON object.

    ``why_no_more`` follows "larger than so many bytes; ". ``read`` may raise UnreadableFileError or UnreadableEvent.
    """

    name: str
    what: str
    examples: str
    most_bytes: int
    why_no_more: str
    read: Callable[[bytes, argparse.Namespace], Mapping[str, object]]


def add_reader(commands: Commands, reader: Reader) -> Parser:
    """Add the command; a file that it cannot read is one line that names it, and exit code 2."""
    command = commands.add_parser(
        reader.name,
        help=reader.what,
        description=reader.what,
        epilog=reader.examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument("file", metavar="FILE", help="a JSON file; - reads standard input")
    command.add_argument("--json", action="store_true", help="JSON, which it is in any case")

    def run(arguments: argparse.Namespace) -> CommandResult:
        try:
            return CommandResult(reader.read(_read_bytes(arguments.file, reader), arguments))
        except (UnreadableFileError, UnreadableEvent) as error:
            message = f"{arguments.file!r}: {error}"
            raise StopError(message, MISUSED) from error

    command.set_defaults(read=run, name=reader.name)
    return command


def _read_bytes(file: str, reader: Reader) -> bytes:
    try:
        if file == "-":
            content = sys.stdin.buffer.read(reader.most_bytes + 1)
        else:
            with Path(file).open("rb") as opened:
                content = opened.read(reader.most_bytes + 1)
    except (OSError, ValueError) as error:
        message = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        raise UnreadableFileError(message) from error
    if len(content) > reader.most_bytes:
        message = f"larger than {reader.most_bytes} bytes; {reader.why_no_more}"
        raise UnreadableFileError(message)
    return content
