"""The laptop Azure's commands: ``demo``, ``run``, and moves for a running world. Called by ``__main__.py``.

Each command's work is in the module of its name.
"""

from __future__ import annotations

import argparse
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localazure.demo import az_env, demo, examples, imds, run, trial
from localazure.demo.browser import NoBrowserError
from localazure.demo.control import ControlError, ask
from localazure.demo.jobs.team_worker import OwnFunction
from localazure.demo.jobs.worker_env import worker_lines
from localazure.guests.notices import NoticeError, read_notice
from localazure.laptop import REPOSITORY
from localazure.runtime.processes import CommandFailedError, NotAloneError, StartError, alone
from spot_responder.commands.arguments import Parser
from spot_responder.intake.vms import is_vm_name
from spot_responder.terminal.interrupts import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER: Final = REPOSITORY / ".local"
AZ_FOLDER: Final = REPOSITORY / ".venv-az" / "bin"
_LAST_PORT: Final = 65535
_DAY_S: Final = 86400
_NOTICES: Final = "with so many seconds of notice, or: none, started, cancelled"
_MOVES: Final = {
    "evict": ("VM", "let Azure take a VM away"),
    "stop": ("VM", "let its owner stop a VM"),
    "start": ("VM", "let its owner start a VM"),
    "empty": ("POOL", "let a pool, named by its size, run out of capacity"),
    "fill": ("POOL", "give a pool plenty of capacity"),
    "wake": ("QUEUE", "let the app look at a work queue now"),
}
_SETTINGS: Final = {
    "fallback": ("VM", "SIZES", "let its owner name the sizes that a VM may come back as; '' takes the tag off"),
    "price": ("SIZE", "USD", "set the Spot price of a size, in USD an hour"),
}


_WORLDS: Final = {"demo": demo.run, "examples": examples.run, "trial": trial.run}
"""The commands that have a world of their own."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; give the process's exit code: 0, 1 where it did not come out well, 2 where it was misused."""
    arguments = _parser().parse_args(argv)
    try:
        match arguments.command:
            case "run":
                with alone(FOLDER):
                    return run.run(FOLDER, _own_function(arguments))
            case "demo" | "examples" | "trial" as world:
                with alone(FOLDER):
                    return _WORLDS[world](FOLDER)
            case "imds":
                return imds.run(_wanted(arguments))
            case "az-env":
                sys.stdout.write(az_env.lines(FOLDER, arguments.login, AZ_FOLDER))
                return 0
            case "worker-env":
                sys.stdout.write(worker_lines(FOLDER))
                return 0
            case "evict":
                sys.stdout.write(f"{ask(FOLDER, 'evict', arguments.name, arguments.notice)}\n")
                return 0
            case "fallback" | "price" as setting:
                sys.stdout.write(f"{ask(FOLDER, setting, arguments.name, value=arguments.value)}\n")
                return 0
            case move:
                sys.stdout.write(f"{ask(FOLDER, move, arguments.name)}\n")
                return 0
    except (StartError, ControlError, NotAloneError, NoBrowserError, CommandFailedError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"{arguments.command}: interrupted\n")
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m localazure", description="Azure on a laptop.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("demo", help="play all scenarios and end")
    commands.add_parser("examples", help="play the examples of docs/commands.md, and write them there")
    stays = commands.add_parser("run", help="run a world that stays, to be moved by hand")
    stays.add_argument("--function", metavar="MODULE:FUNCTION", help="what the workers of the work queue call")
    stays.add_argument("--work", type=_folder, metavar="FOLDER", help="where that module is (default: this folder)")
    commands.add_parser("trial", help="try the beliefs about Azure, and end")
    az = commands.add_parser("az-env", help="print the lines that point az at the running world")
    az.add_argument("--login", choices=az_env.LOGINS, default="owner", help="as whom (default: owner)")
    commands.add_parser("worker-env", help="print the lines that point spot-worker at the running world")
    for move, (metavar, what) in _MOVES.items():
        commands.add_parser(move, help=what).add_argument("name", metavar=metavar)
    for setting, (metavar, value, what) in _SETTINGS.items():
        command = commands.add_parser(setting, help=what)
        command.add_argument("name", metavar=metavar)
        command.add_argument("value", metavar=value)
    evict = commands.choices["evict"]
    evict.add_argument("--notice", type=_notice, default="none", metavar="S", help=f"{_NOTICES} (default: none)")
    _add_imds(commands.add_parser("imds", help="serve the metadata service of one VM, for any program to try"))
    return parser


def _add_imds(command: argparse.ArgumentParser) -> None:
    command.add_argument("--port", type=_port, default=0, metavar="N", help="of 127.0.0.1 (default: any free one)")
    command.add_argument("--name", type=_vm_name, default="vm-1", metavar="VM", help="the VM's name (default: vm-1)")
    command.add_argument("--preempt-after", type=_seconds, metavar="S", help="evict it after so many seconds, once")
    command.add_argument("--notice", type=_notice, default="30", metavar="S", help=f"{_NOTICES} (default: 30)")


def _own_function(arguments: argparse.Namespace) -> OwnFunction | None:
    """Give the function that was asked for, if one was. What is wrong with it the workers say."""
    return OwnFunction(arguments.function, arguments.work or Path.cwd()) if arguments.function else None


def _folder(text: str) -> Path:
    folder = Path(text).expanduser().resolve()
    if folder.is_dir():
        return folder
    message = f"there is no folder {text!r}: name the one that your module is in"
    raise argparse.ArgumentTypeError(message)


def _wanted(arguments: argparse.Namespace) -> imds.Wanted:
    return imds.Wanted(arguments.port, arguments.name, arguments.preempt_after, arguments.notice)


def _notice(text: str) -> str:
    try:
        read_notice(text)
    except NoticeError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= _LAST_PORT:
        return int(text)
    message = f"there is no port {text!r}: give a number up to {_LAST_PORT}"
    raise argparse.ArgumentTypeError(message)


def _seconds(text: str) -> timedelta:
    if text.isascii() and text.isdigit() and int(text) <= _DAY_S:
        return timedelta(seconds=int(text))
    message = f"{text!r} is no time: give whole seconds, {_DAY_S} at most"
    raise argparse.ArgumentTypeError(message)


def _vm_name(text: str) -> str:
    if is_vm_name(text):
        return text
    message = f"{text!r} is no name of a VM"
    raise argparse.ArgumentTypeError(message)
