"""The laptop Azure's commands: ``demo``, ``run``, and moves for a running world. Called by ``__main__.py``.

Each command's work is in the module of its name.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from localazure.demo import az_env, demo, examples, run
from localazure.demo.browser import NoBrowserError
from localazure.demo.control import ControlError, ask
from localazure.laptop import REPOSITORY
from localazure.runtime.processes import NotAloneError, StartError, alone
from spot_responder.commands.interrupts import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER: Final = REPOSITORY / ".local"
AZ_FOLDER: Final = REPOSITORY / ".venv-az" / "bin"
_MOVES: Final = {
    "evict": ("VM", "let Azure take a VM away"),
    "stop": ("VM", "let its owner stop a VM"),
    "start": ("VM", "let its owner start a VM"),
    "empty": ("POOL", "let a pool, named by its size, run out of capacity"),
    "fill": ("POOL", "give a pool plenty of capacity"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; give the process's exit code: 0, 1 where it did not come out well, 2 where it was misused."""
    arguments = _parser().parse_args(argv)
    try:
        match arguments.command:
            case "demo":
                with alone(FOLDER):
                    return demo.run(FOLDER)
            case "examples":
                with alone(FOLDER):
                    return examples.run(FOLDER)
            case "run":
                with alone(FOLDER):
                    return run.run(FOLDER)
            case "az-env":
                sys.stdout.write(az_env.lines(FOLDER, arguments.login, AZ_FOLDER))
                return 0
            case move:
                sys.stdout.write(f"{ask(FOLDER, move, arguments.name)}\n")
                return 0
    except (StartError, ControlError, NotAloneError, NoBrowserError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"{arguments.command}: interrupted\n")
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m localazure", description="Azure on a laptop.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("demo", help="play all scenarios and end")
    commands.add_parser("examples", help="play the examples of docs/operations.md, and write them there")
    commands.add_parser("run", help="run a world that stays, to be moved by hand")
    az = commands.add_parser("az-env", help="print the lines that point az at the running world")
    az.add_argument("--login", choices=az_env.LOGINS, default="owner", help="as whom (default: owner)")
    for move, (metavar, what) in _MOVES.items():
        commands.add_parser(move, help=what).add_argument("name", metavar=metavar)
    return parser
