"""``spot-agent``: ``run`` in the foreground, and what a person asks. Exit code 2: it was called wrongly."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Final

from spot_agent.commands.check import check
from spot_agent.commands.history import history
from spot_agent.commands.rehearse import rehearse
from spot_agent.commands.status import status
from spot_agent.configuration import Configuration, ConfigurationError, folder, health_port, read_configuration
from spot_agent.edges.addresses import ADDRESS, check_address, check_url
from spot_agent.edges.disk import StateInUseError
from spot_agent.edges.metadata import MetadataService
from spot_agent.edges.standard_output import StandardOutput
from spot_agent.installed.helper import main as help_systemd
from spot_agent.installed.install import install
from spot_agent.installed.places import Places, read_installed
from spot_agent.installed.system import InstallError
from spot_agent.installed.uninstall import uninstall
from spot_agent.installed.watch import watch
from spot_agent.run import Outside, run
from spot_agent.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spot_agent.commands.answers import CommandAnswer

_ASKS: Final[dict[str, tuple[Callable[[Configuration], CommandAnswer], str]]] = {
    "history": (history, "what happened to this VM"),
    "status": (status, "how the agent is doing: last answer, notice under way, hooks"),
    "check": (check, "whether all that the agent needs is there"),
    "rehearse": (rehearse, "play a made-up eviction through the real hooks, without an eviction"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; give the exit code."""
    given = _parser().parse_args(arguments)
    try:
        if given.command in _SERVICE:
            return _SERVICE[given.command](given)
        configuration = _configuration(given)
        if given.command == "run":
            return _run(configuration)
        return _print(_ASKS[given.command][0](configuration), as_json=given.json)
    except InstallError as error:
        return _refuse(str(error), 1)
    except (ConfigurationError, StateInUseError) as error:
        return _refuse(str(error))
    except BrokenPipeError:
        return 1
    except OSError as error:
        return _refuse(f"{error.filename or 'the agent'}: {error.strerror or error}")


def _install(given: argparse.Namespace) -> int:
    words = {"queue": given.queue, "client_id": given.client_id, "health_port": given.health_port}
    keys = {name: str(word) for name, word in words.items() if word is not None}
    return _say(install(Places(given.root), keys))


def _say(lines: tuple[str, ...]) -> int:
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _watch(_given: argparse.Namespace) -> int:
    watch(Places(), MetadataService(ADDRESS))
    return 0


_SERVICE: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "install": _install,
    "upgrade": _install,
    "uninstall": lambda _given: _say(uninstall(Places())),
    "watch": _watch,
    "helper": lambda _given: help_systemd(),
}


def _run(configuration: Configuration) -> int:
    output = StandardOutput()
    run(configuration, Outside(MetadataService(configuration.imds), output.record, output.say))
    output.end()
    return 0


def _print(answer: CommandAnswer, *, as_json: bool) -> int:
    text = json.dumps(answer.data, indent=2) if as_json else printable(answer.text, sys.stdout.encoding)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
    return answer.code


def _refuse(why: str, code: int = 2) -> int:
    sys.stderr.write(printable(f"spot-agent: {why}", sys.stderr.encoding) + "\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="spot-agent",
        description="Tells the work of an Azure Spot VM what is about to happen, and sees that it goes on.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--config", type=Path, metavar="FILE", help="configuration (INI); options given here override it"
    )
    shared.add_argument(
        "--imds", type=_address, metavar="URL", help="address of the metadata service (http://169.254.169.254)"
    )
    shared.add_argument(
        "--state", type=_folder, metavar="DIR", help="where state and history are (/var/lib/spot-agent)"
    )
    shared.add_argument("--hooks", type=_folder, metavar="DIR", help="where hooks are (/etc/spot-agent/hooks)")
    shared.add_argument("--health-port", type=_port, metavar="N", help="answer GET /health there; 0: any free port")
    shared.add_argument("--queue", type=_queue, metavar="URL", help="storage queue of the responder's agents")
    _add_service(commands)
    commands.add_parser("run", parents=[shared], help="watch, in the foreground, until SIGTERM")
    for name, (_, says) in _ASKS.items():
        command = commands.add_parser(name, parents=[shared], help=says)
        command.add_argument("--json", action="store_true", help="print JSON, with times in UTC")
    return parser


def _add_service(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    setup = commands.add_parser(
        "install", aliases=["upgrade"], help="run as a service of systemd; again: upgrade what is there"
    )
    setup.add_argument("--queue", type=_queue, metavar="URL", help="write it into the configuration")
    setup.add_argument("--client-id", metavar="ID", help="write it into the configuration")
    setup.add_argument("--health-port", type=_port, metavar="N", help="write it into the configuration")
    setup.add_argument(
        "--root", type=_folder, default=Path("/"), metavar="DIR", help="only write files, below DIR, as for an image"
    )
    commands.add_parser("uninstall", help="remove the service, and all that the agent made")
    commands.add_parser("watch", help="what the service runs: like run, with hooks and units left to the helper")
    commands.add_parser("helper", help="what systemd begins as root, to run hooks and stop units for the service")


def _configuration(given: argparse.Namespace) -> Configuration:
    found = _found(given)
    words = {name: getattr(given, name) for name in ("imds", "state", "hooks", "health_port", "queue")}
    return replace(found, **{name: word for name, word in words.items() if word is not None})


def _found(given: argparse.Namespace) -> Configuration:
    if given.config:
        return read_configuration(given.config)
    places = Places()
    if given.command in _ASKS and places.program.exists() and places.configuration.exists():
        return read_installed(places.configuration, places)
    return Configuration()


def _port(text: str) -> int:
    try:
        return health_port(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _address(text: str) -> str:
    try:
        return check_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _folder(text: str) -> Path:
    try:
        return folder("it", text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _queue(text: str) -> str:
    try:
        return check_url(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
