"""What is asked, and how it is told."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spot_vm.kit import check_package, keep_installer, make_environment, name_kit, use_kit
from spot_vm.places import AGENT
from spot_vm.removing import remove
from spot_vm.system import InstallError, alone, call, digest, told, write
from spot_vm.workers import copy_work, doubt, end_others, read_worker, start, use_work

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from spot_vm.places import Places
    from spot_vm.workers import Worker

PACKAGE: Final = Path(__file__).resolve().parents[1]
LIVE: Final = Path("/")
_BY_CTRL_C: Final = 130


def install(package: Path, places: Places, agents_queue: str) -> tuple[str, ...]:
    """Install the agent and the worker kit; say so."""
    check_package(package)
    keep_installer(package, places)
    _install_agent(package, places, agents_queue)
    environment = make_environment(package, places, None)
    doubt(places, {"kit": name_kit(package, environment)})
    use_kit(package, places, environment)
    return ("agent and worker kit are installed; a worker that runs takes a newer kit at systemctl restart",)


def apply(package: Path, places: Places, worker: Worker, work: Path) -> tuple[str, ...]:
    """Install both, and let a worker run the work package. Jobs under way are finished or given back, never cut off.

    What can be refused comes first, then what takes long, while all goes on as it was. What workers use is changed
    last, when nothing claims any more that they have it.
    """
    check_package(package)
    code = copy_work(places, work)
    keep_installer(package, places)
    _install_agent(package, places, worker.agents_queue)
    requirements = work / "requirements.txt"
    environment = make_environment(package, places, requirements if requirements.exists() else None)
    wanted = {
        "kit": name_kit(package, environment),
        "settings": digest(worker.environment().encode()),
        "work": code.name,
    }
    doubt(places, wanted, worker.queue)
    use_work(places, worker, code)
    use_kit(package, places, environment)
    ended = end_others(places, worker.queue)
    return (*ended, start(places, worker.queue, wanted))


def _install_agent(package: Path, places: Places, agents_queue: str) -> None:
    """Let the agent install itself, which restarts it: not if it is the one that is there."""
    noted, wanted = places.installed_agent, f"{digest((package / AGENT).read_bytes())} {agents_queue}"
    if places.agent.exists() and noted.exists() and noted.read_bytes() == wanted.encode():
        return
    # If this does not come to its end, nobody knows which one is there.
    noted.unlink(missing_ok=True)
    call(sys.executable, str(package / AGENT), "install", *(["--queue", agents_queue] if agents_queue else []))
    write(noted, wanted)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="install.py", description="Spot Responder's agent and worker kit, on a VM.")
    asks = parser.add_subparsers(dest="ask", required=True)
    asked = asks.add_parser("install", help="the agent as a service, and the worker kit")
    asked.add_argument("--queue", default="", metavar="URL", help="the responder's queue `agents`")
    asked = asks.add_parser("apply", help="the same, and a worker, by its settings on standard input")
    asked.add_argument("work", type=Path, help="the folder of the work package")
    asks.add_parser("remove", help="remove all of it, but what you put beside it")
    return parser.parse_args(arguments)


def _do(given: argparse.Namespace, places: Places, settings: Callable[[], str]) -> tuple[str, ...]:
    if places.root == LIVE and os.geteuid():
        message = f"only root may do that: sudo python3 {PACKAGE / 'install.py'} {given.ask}"
        raise InstallError(message)
    worker = read_worker(_text(settings)) if given.ask == "apply" else None
    with alone(places.lock):
        if worker:
            return apply(PACKAGE, places, worker, given.work.resolve())
        if given.ask == "install":
            return install(PACKAGE, places, given.queue)
        return ("agent and worker kit are removed", *remove(places))


def _text(settings: Callable[[], str]) -> str:
    try:
        return settings()
    except ValueError as error:
        message = f"the settings of the worker cannot be read: standard input is no text: {error}"
        raise InstallError(message) from error


def main(arguments: Sequence[str], places: Places, settings: Callable[[], str]) -> int:
    """Do what is asked; 0, or 1 with a line of what failed."""
    given = _parse(arguments)
    # The worker runs as a user of its own, and reads all of it.
    os.umask(0o022)
    try:
        done = _do(given, places, settings)
        sys.stdout.write("".join(f"install.py: {line}\n" for line in done))
        sys.stdout.flush()
    except (InstallError, OSError) as error:
        said = told(error) if isinstance(error, OSError) else str(error)
        sys.stderr.write(f"install.py: {' '.join(said.split())}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("install.py: ended amid its work by Ctrl-C: call it again to complete it\n")
        return _BY_CTRL_C
    return 0
