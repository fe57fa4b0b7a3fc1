"""What is asked, and how it is told."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spot_vm.kit import install_kit
from spot_vm.places import AGENT
from spot_vm.removing import remove
from spot_vm.system import InstallError, call, digest, write
from spot_vm.workers import read_worker, start, take_work

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from spot_vm.places import Places
    from spot_vm.workers import Worker

PACKAGE: Final = Path(__file__).resolve().parents[1]
_QUIET: Final = """\
# It is begun each minute, and would say so each minute. What it has to say itself is of this level.
[Service]
SyslogLevel=notice
LogLevelMax=notice
"""


def install(package: Path, places: Places, agents_queue: str) -> str:
    """Install the agent and the worker kit; say so."""
    _install_agent(package, places, agents_queue)
    install_kit(package, places, None)
    return "agent and worker kit are installed; a worker that runs takes a newer kit at systemctl restart"


def apply(package: Path, places: Places, worker: Worker, work: Path) -> str:
    """Install both, and let a worker run the work package. Jobs under way are finished or given back, never cut off."""
    _install_agent(package, places, worker.agents_queue)
    requirements = work / "requirements.txt"
    wanted = {
        "kit": install_kit(package, places, requirements if requirements.exists() else None),
        "settings": digest(worker.environment().encode()),
        "work": take_work(places, work),
    }
    write(places.settings / f"{worker.queue}.env", worker.environment())
    if (places.units / "spot-vm.service").exists() and write(places.quiet, _QUIET):
        call("systemctl", "daemon-reload")
    return start(places, worker.queue, wanted)


def _install_agent(package: Path, places: Places, agents_queue: str) -> None:
    """Let the agent install itself, which restarts it: not if it is the one that is there."""
    noted, wanted = places.installer.with_name("agent"), f"{digest((package / AGENT).read_bytes())} {agents_queue}"
    if places.agent.exists() and noted.exists() and noted.read_text("utf-8") == wanted:
        return
    call(sys.executable, str(package / AGENT), "install", *(["--queue", agents_queue] if agents_queue else []))
    write(noted, wanted)


def main(arguments: Sequence[str], places: Places, settings: Callable[[], str]) -> int:
    """Do what is asked; 0, or 1 with a line of what failed."""
    parser = argparse.ArgumentParser(prog="install.py", description="Spot Responder's agent and worker kit, on a VM.")
    asks = parser.add_subparsers(dest="ask", required=True)
    asked = asks.add_parser("install", help="the agent as a service, and the worker kit")
    asked.add_argument("--queue", default="", metavar="URL", help="the responder's queue `agents`")
    asked = asks.add_parser("apply", help="the same, and a worker, by its settings on standard input")
    asked.add_argument("work", type=Path, help="the folder of the work package")
    asks.add_parser("remove", help="remove all of it, but what you put beside it")
    given = parser.parse_args(arguments)
    # The worker runs as a user of its own, and reads all of it.
    os.umask(0o022)
    try:
        if given.ask == "install":
            done = [install(PACKAGE, places, given.queue)]
        elif given.ask == "apply":
            done = [apply(PACKAGE, places, read_worker(settings()), given.work.resolve())]
        else:
            done = ["agent and worker kit are removed", *remove(places)]
    except (InstallError, OSError) as error:
        sys.stderr.write(f"install.py: {error}\n")
        return 1
    sys.stdout.write("".join(f"install.py: {line}\n" for line in done))
    return 0
