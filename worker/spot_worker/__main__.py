"""``spot-worker``: ``run`` works on the jobs of a queue; the others put jobs there and show what became of them.

Exit code 0: all went well, whatever became of single jobs. 1: ``run`` could not begin or go on; another command did a
part of what was asked. 2: it was called wrongly, or storage refused. 130: Ctrl-C, or SIGTERM for ``submit``.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spot_agent.edges.addresses import ADDRESS, check_address

from spot_worker.commands.options import UsageError, add_account, add_places
from spot_worker.deciding.names import BadNameError
from spot_worker.deciding.record.budgets import Budgets
from spot_worker.deciding.stops.own_stop import UP_MINUTES
from spot_worker.running.ports import StorageError
from spot_worker.running.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SHORTEST_VISIBILITY_S: Final = 5
_LONGEST_VISIBILITY_S: Final = 7 * 24 * 3600
_MOST_SLOTS: Final = 256
_STANDARD_ERROR: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; give the exit code."""
    _prepare_streams()
    given = _parser().parse_args(arguments)
    if given.command == "run":
        # Until the worker hears signals: there is no old code yet that new code could take over from.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from spot_worker.edges.state_folder import StateInUseError  # noqa: PLC0415 - as in the commands

    try:
        code: int = given.does(given)
        sys.stdout.flush()
    except (UsageError, BadNameError, StateInUseError, StorageError) as error:
        return _refuse(str(error))
    except BrokenPipeError:
        _forget_output()
        return 1
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        _forget_output()
        return _refuse(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error))
    return code


def _prepare_streams() -> None:
    """Let what is printed never end a command: nobody may listen, or a terminal may not know the letters."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        if descriptor == 1:
            sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - a descriptor, for as long as we live
        elif descriptor == _STANDARD_ERROR:
            sys.stderr = open(_STANDARD_ERROR, "w", closefd=False)  # noqa: SIM115 - as above
    os.close(descriptor)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _forget_output() -> None:
    """Let nobody try once more to write what could not be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _refuse(why: str) -> int:
    sys.stderr.write(f"spot-worker: {why}\n")
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="spot-worker",
        description="Runs the jobs of a storage queue so that none is lost when their VM is evicted.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="work on the jobs of a queue, until it is stopped"))
    submit = commands.add_parser("submit", help="put jobs on a queue, one for each line of files")
    submit.add_argument("files", nargs="*", metavar="FILE", help="JSON or text, a job a line; - for standard input")
    add_places(submit)
    submit.add_argument(
        "--count", type=_between(1, 1_000_000), metavar="N", help="each line N times; without files: N numbered jobs"
    )
    _add_asking(submit, "submit:submit")
    results = commands.add_parser("results", help="the results of a queue's jobs")
    results.add_argument("--queue", metavar="NAME", help="of this queue only")
    results.add_argument("--results", metavar="TABLE", help="table of results (QUEUE without hyphens, then results)")
    _add_asking(results, "tables:results")
    workers = commands.add_parser("workers", help="what each slot of each VM does")
    workers.add_argument("--queue", metavar="NAME", help="of this queue only")
    _add_asking(workers, "tables:workers")
    jobs = commands.add_parser("jobs", help="how many wait, and how far those are that were claimed")
    add_places(jobs)
    _add_asking(jobs, "jobs:jobs")
    _add_poison(commands.add_parser("poison", help="the jobs that were given up"))
    return parser


def _add_poison(parser: argparse.ArgumentParser) -> None:
    asks = parser.add_subparsers(dest="ask", required=True, metavar="list|show|requeue")
    for name, says in (("list", "all of them"), ("show", "all that is known of them"), ("requeue", "try them again")):
        ask = asks.add_parser(name, help=says)
        if name != "list":
            ask.add_argument("ids", nargs="+" if name == "show" else "*", metavar="ID", help="of jobs")
        if name == "requeue":
            ask.add_argument("--all", action="store_true", help="all that are in the poison queue")
        add_places(ask)
        _add_asking(ask, "poison:poison")


def _add_asking(parser: argparse.ArgumentParser, does: str) -> None:
    """Let a command reach the account and print JSON."""
    add_account(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    _set_does(parser, does)


def _set_does(parser: argparse.ArgumentParser, does: str) -> None:
    """Say what a command calls. It is imported then only: Azure's libraries take a second."""
    module, _, name = does.partition(":")

    def call(given: argparse.Namespace) -> int:
        code: int = getattr(importlib.import_module(f"spot_worker.commands.{module}"), name)(given)
        return code

    parser.set_defaults(does=call)


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("function", type=_function, metavar="MODULE:FUNCTION", help="what is called with each job")
    add_places(parser)
    add_account(parser)
    number, seconds = _between(1, 1_000_000), _between(_SHORTEST_VISIBILITY_S, _LONGEST_VISIBILITY_S)
    parser.add_argument(
        "--slots", type=_slots, default=Settings.slots, metavar="N|auto", help="so many jobs at a time (%(default)s)"
    )
    parser.add_argument("--once", action="store_true", help="wait for one job, work on it, and end")
    parser.add_argument("--until-empty", action="store_true", help="end when the queue has no message left")
    parser.add_argument(
        "--visibility",
        type=seconds,
        default=Settings.visibility_s,
        metavar="S",
        help="lease on a message in seconds (%(default)s)",
    )
    parser.add_argument(
        "--max-failures",
        type=number,
        default=Budgets.failures,
        metavar="N",
        help="then a job is given up (%(default)s)",
    )
    parser.add_argument(
        "--checkpoint-interval", type=_between(1, 86400), default=60, metavar="S", help="when `due` says yes (60)"
    )
    minutes = _between(0, 7 * 24 * 60)
    parser.add_argument(
        "--stop-vm-after-idle", type=minutes, metavar="MIN", help="deallocate this VM when it had no job for so long"
    )
    parser.add_argument(
        "--stop-vm-minimum", type=minutes, metavar="MIN", help=f"but not before it was up for so long ({UP_MINUTES})"
    )
    parser.add_argument("--arm", default="https://management.azure.com", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--imds", type=_address, default=ADDRESS, metavar="URL", help=f"metadata service ({ADDRESS})")
    parser.add_argument(
        "--agent-state", type=Path, metavar="DIR", default=Path("/var/lib/spot-agent"), help="of the agent"
    )
    parser.add_argument("--state", type=Path, metavar="DIR", help="lock and files (~/.local/state/spot-worker/QUEUE)")
    _set_does(parser, "run:run")


def _function(text: str) -> str:
    module, colon, name = text.partition(":")
    if not colon or not name.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        message = f"a function is given as MODULE:FUNCTION, like frames:render, not {text!r}"
        raise argparse.ArgumentTypeError(message)
    return text


def _slots(text: str) -> int:
    if text == "auto":
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return _between(1, _MOST_SLOTS)(text)


def _between(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            message = f"a whole number from {least} to {most}, not {text!r}"
            raise argparse.ArgumentTypeError(message)
        return int(text)

    return read


def _address(text: str) -> str:
    try:
        return check_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
