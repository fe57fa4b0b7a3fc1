"""How commands are parsed: one line for a mistake, help with examples, and checks before Azure is asked.

``cli.py`` makes the parser; each command's module adds its own arguments.
"""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any, Final, Never, override

from spot_responder.advised_command import CommandLine
from spot_responder.intake.vms import NotAVmIdError, VmId, is_vm_name
from spot_responder.terminal.output import complain
from spot_responder.terminal.results import MISUSED
from spot_responder.text import one_line, shortened

if TYPE_CHECKING:
    from collections.abc import Callable

    from spot_responder.commands.run import Run

_LETTER: Final = re.compile(r"[0-9a-f]{8}")


class Parser(argparse.ArgumentParser):
    """A parser whose error message is one line."""

    @override
    def error(self, message: str) -> Never:
        """Say what was wrong in one line, and end with exit code 2."""
        complain(f"{self.prog.rpartition('/')[2]}: {one_line(message)}; see {self.prog} --help")
        raise SystemExit(MISUSED)

    @override
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse unknown arguments here, where the command's name is known."""
        parsed, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return parsed, rest


type Commands = argparse._SubParsersAction[Parser]  # noqa: SLF001 - argparse gives it no public name


def add_command(commands: Commands, name: str, what: str, run: Run, *, examples: str) -> Parser:
    """Add a command that reads Azure, or the laptop's."""
    command = commands.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}.",
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument("--json", action="store_true", help="for programs: one JSON object, times in UTC")
    command.add_argument("--local", action="store_true", help="look at the laptop Azure of `make run`, not at Azure")
    command.set_defaults(run=run, name=name)
    return command


def add_vm(command: Parser, *, many: bool = False) -> None:
    """Let a command take a VM, or several."""
    if many:
        command.add_argument("vm", metavar="VM", nargs="+", type=vm_reference, help="names or ARM ids")
    else:
        command.add_argument("vm", metavar="VM", type=vm_reference, help="name or ARM id")


def vm_reference(text: str) -> str | VmId:
    """Read how a VM is named: by its ARM id, or by its name."""
    if text.startswith("/"):
        try:
            return VmId.parse(text)
        except NotAVmIdError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
    if not is_vm_name(text):
        asked = shortened(text, 100)
        message = f"{asked!r} is neither the name of a VM nor an ARM id such as /subscriptions/…/virtualMachines/vm-1"
        raise argparse.ArgumentTypeError(message)
    return text


def dead_letter_id(text: str) -> str:
    """Read a dead letter's id as ``replay list`` shows it."""
    if not _LETTER.fullmatch(text):
        message = f"{shortened(text, 100)!r} is no id of a message: take one of `{CommandLine()('replay', 'list')}`"
        raise argparse.ArgumentTypeError(message)
    return text


def whole_number(smallest: int, largest: int) -> Callable[[str], int]:
    """Read a whole number within limits."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not smallest <= int(text) <= largest:
            message = f"{shortened(text, 100)!r} is no whole number from {smallest} to {largest}"
            raise argparse.ArgumentTypeError(message)
        return int(text)

    return read
