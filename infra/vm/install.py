"""Installs what is in this package, the agent and the worker kit, or removes it. As root, on the VM; Python ≥ 3.9.

``install [--queue URL]``: the agent as a service, the worker kit in ``/opt/spot-worker``. ``apply FOLDER``: the same,
and a worker that runs the work package in FOLDER, by settings on standard input. ``remove``: all of that is taken away.
Each may be called again, also after it was cut off amid its work.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PACKAGE: Final = Path(__file__).resolve().parent
UNIT: Final = "spot-worker@.service"
AGENT: Final = "spot-agent.pyz"
_QUEUE: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


class InstallError(Exception):
    """What failed, and what to do, in one line."""


@dataclass(frozen=True)
class Worker:
    """A worker of a queue: what becomes ``/etc/spot-worker/QUEUE.env``."""

    queue: str
    function: str
    account: str
    options: str
    agents_queue: str
    """The address of the responder's queue ``agents``; empty where there is no responder."""

    def environment(self) -> str:
        """Give the file that the unit reads."""
        values = {
            "FUNCTION": self.function,
            "QUEUE": self.queue,
            "AZURE_STORAGE_ACCOUNT": self.account,
            "OPTIONS": self.options,
        }
        return "".join(f"{name}={value}\n" for name, value in values.items())


@dataclass(frozen=True)
class Places:
    """Files and folders, below ``root``: ``/`` but in tests."""

    root: Path = Path("/")

    @property
    def home(self) -> Path:
        """The folder that the unit works in."""
        return self.root / "opt/spot-worker"

    @property
    def environment(self) -> Path:
        """The virtual environment that the unit starts: a link, which is moved in one step."""
        return self.home / ".venv"

    @property
    def work(self) -> Path:
        """The work package that is in use: a link, too."""
        return self.home / "work"

    @property
    def settings(self) -> Path:
        """The folder of the files that the unit reads."""
        return self.root / "etc/spot-worker"

    @property
    def states(self) -> tuple[Path, Path]:
        """Where systemd keeps the state folders of the workers: links, and what they lead to."""
        return self.root / "var/lib/spot-worker", self.root / "var/lib/private/spot-worker"

    @property
    def unit(self) -> Path:
        """The template unit."""
        return self.root / "etc/systemd/system" / UNIT

    @property
    def installer(self) -> Path:
        """A copy of this file, for when the package is gone: VM applications call it to remove all."""
        return self.root / "usr/local/lib/spot-vm/install.py"

    @property
    def agent(self) -> Path:
        """Where the agent's own ``install`` puts it."""
        return self.root / "usr/local/bin/spot-agent"


def install(package: Path, places: Places, agents_queue: str) -> None:
    """Install the agent and the worker kit."""
    _install_agent(package, places, agents_queue)
    _install_kit(package, places, "")


def apply(package: Path, places: Places, worker: Worker, work: Path) -> None:
    """Install both, and let a worker run the work package. Jobs under way are finished or given back, never cut off."""
    _install_agent(package, places, worker.agents_queue)
    requirements = work / "requirements.txt"
    wanted = {
        "kit": _install_kit(package, places, str(requirements) if requirements.exists() else ""),
        "settings": _digest(worker.environment().encode()),
        "work": _take_work(places, work),
    }
    _write(places.settings / f"{worker.queue}.env", worker.environment())
    _start(places, worker.queue, wanted)


def remove(places: Places) -> None:
    """Stop and remove all of it."""
    if places.settings.is_dir():
        for file in sorted(places.settings.glob("*.env")):
            # Not checked: a unit that is not there any more is what is wanted.
            _call("systemctl", "disable", "--now", f"spot-worker@{file.stem}", check=False)
    if places.agent.exists():
        _call(str(places.agent), "uninstall")
    places.unit.unlink(missing_ok=True)
    # The installer last: until then a second call can do what is left.
    for folder in (places.home, places.settings, *places.states, places.installer.parent):
        if folder == places.installer.parent:
            _call("systemctl", "daemon-reload")
        if folder.exists():
            shutil.rmtree(folder)


def _install_agent(package: Path, places: Places, agents_queue: str) -> None:
    """Let the agent install itself, which restarts it: not if it is the one that is there."""
    noted, wanted = places.installer.with_name("agent"), f"{_digest((package / AGENT).read_bytes())} {agents_queue}"
    if places.agent.exists() and noted.exists() and noted.read_text("utf-8") == wanted:
        return
    _call(sys.executable, str(package / AGENT), "install", *(["--queue", agents_queue] if agents_queue else []))
    _write(noted, wanted)


def _install_kit(package: Path, places: Places, requirements: str) -> str:
    """Make a virtual environment for this package and these requirements, unless it is there; say which it is."""
    _write(places.installer, (package / "install.py").read_text("utf-8"))
    wheels = sorted((package / "wheels").glob("*.whl"))
    contents = [path.name.encode() + path.read_bytes() for path in wheels]
    contents.append(Path(requirements).read_bytes() if requirements else b"")
    contents.append(sys.version.encode())
    name = _digest(*contents)
    folder = places.home / "venvs" / name
    if not (folder / "complete").exists():
        _make_environment(package, places, folder, requirements)
    _link(places.environment, folder)
    if _write(places.unit, (package / UNIT).read_text("utf-8")):
        _call("systemctl", "daemon-reload")
    return f"{name} {_digest((package / UNIT).read_bytes())}"


def _make_environment(package: Path, places: Places, folder: Path, requirements: str) -> None:
    if folder.exists():  # an earlier try was cut off
        shutil.rmtree(folder)
    # Without pip, which Debian and Ubuntu keep in a package of its own: it is among the wheels.
    _call(sys.executable, "-m", "venv", "--without-pip", str(folder))
    python, pip = folder / "bin/python", next((package / "wheels").glob("pip-*.whl"))
    install = [str(python), f"{pip}/pip", "install", "--quiet", "--disable-pip-version-check", "--no-cache-dir"]
    ours = ["--find-links", str(package / "wheels")]
    _call(*install, "--no-index", *ours, "spot-worker")
    if requirements:
        _call(*install, *ours, "--requirement", requirements)
    libraries = next((folder / "lib").glob("python3.*/site-packages"))
    _write(libraries / "spot-worker-work.pth", f"{places.work}\n")
    os.sync()
    _write(folder / "complete", "")


def _take_work(places: Places, work: Path) -> str:
    """Put the work package in its place; say which it is: its folder is named by its content."""
    folder = places.home / "works" / work.name
    if not folder.exists():
        new = folder.with_suffix(".new")
        if new.exists():
            shutil.rmtree(new)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(work, new)
        for path in (new, *new.rglob("*")):
            # However its packer's umask was: the worker runs as a user of its own.
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
        os.sync()
        new.rename(folder)
    _link(places.work, folder)
    return work.name


def _start(places: Places, queue: str, wanted: dict[str, str]) -> None:
    """Let the running worker take what is new, and only then note what it has taken."""
    service, noted = f"spot-worker@{queue}", places.home / f"started-{queue}.json"
    had = json.loads(noted.read_text("utf-8")) if noted.exists() else {}
    _call("systemctl", "enable", service)
    if {**had, "work": ""} != {**wanted, "work": ""}:
        _call("systemctl", "restart", service)  # the jobs under way are saved and given back
    elif had != wanted:
        _call("systemctl", "reload-or-restart", service)  # between two jobs
    else:
        _call("systemctl", "start", service)
    _write(noted, json.dumps(wanted))
    _forget_old(places)


def _forget_old(places: Places) -> None:
    """Remove what no worker uses; the newest but one may still be imported from until its jobs are over."""
    for link in (places.environment, places.work):
        here = link.readlink()
        others = [one for one in here.parent.iterdir() if one != here]
        for folder in sorted(others, key=lambda one: one.stat().st_mtime)[:-1]:
            shutil.rmtree(folder)


def _link(link: Path, target: Path) -> None:
    """Let a link lead elsewhere, in one step."""
    new = link.with_name(f"{link.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(link)


def _write(path: Path, text: str) -> bool:
    """Write a file, whole or not at all; say whether it was another before."""
    if path.exists() and path.read_text("utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    with new.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(path)
    return True


def _digest(*contents: bytes) -> str:
    found = hashlib.sha256()
    for content in contents:
        found.update(hashlib.sha256(content).digest())
    return found.hexdigest()[:16]


def _call(*words: str, check: bool = True) -> None:
    done = subprocess.run(words, check=False)  # noqa: S603 - our own words
    if check and done.returncode:
        message = f"`{' '.join(words)}` ended with {done.returncode}; it says above why. Then call this again"
        raise InstallError(message)


def read_worker(text: str) -> Worker:
    """Read the settings of a worker. Raises ``InstallError``."""
    try:
        given = json.loads(text)
        worker = Worker(*(str(given[name]) for name in ("queue", "function", "account", "options", "agentsQueue")))
    except (ValueError, TypeError, KeyError) as error:
        message = f"the settings of the worker cannot be read: {error!r}"
        raise InstallError(message) from error
    if not _QUEUE.fullmatch(worker.queue):
        message = f"{worker.queue[:80]!r} cannot be the name of a queue"
        raise InstallError(message)
    if not worker.environment().replace("\n", "").isprintable() or worker.environment().count("\n") != len("FQAO"):
        message = "the settings of the worker hold a line break or a character that cannot be printed"
        raise InstallError(message)
    return worker


def main(arguments: Sequence[str], places: Places, settings: Callable[[], str]) -> int:
    """Do what is asked; 0, or 1 with a line of what failed."""
    parser = argparse.ArgumentParser(prog="install.py", description="Spot Responder's agent and worker kit, on a VM.")
    asks = parser.add_subparsers(dest="ask", required=True)
    asked = asks.add_parser("install", help="the agent as a service, and the worker kit")
    asked.add_argument("--queue", default="", metavar="URL", help="the responder's queue `agents`")
    asked = asks.add_parser("apply", help="the same, and a worker, by its settings on standard input")
    asked.add_argument("work", type=Path, help="the folder of the work package")
    asks.add_parser("remove", help="remove all of it")
    given = parser.parse_args(arguments)
    # The worker runs as a user of its own, and reads all of it.
    os.umask(0o022)
    try:
        if given.ask == "install":
            install(PACKAGE, places, given.queue)
        elif given.ask == "apply":
            apply(PACKAGE, places, read_worker(settings()), given.work.resolve())
        else:
            remove(places)
    except (InstallError, OSError) as error:
        sys.stderr.write(f"install.py: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Places(), sys.stdin.read))
