"""``install``: the agent as a service of systemd, or a newer one in place of what is there (``upgrade`` is the same).

Everything is looked at before anything is changed. Each file is replaced whole, and the program before the units that
call it, so a power loss in between leaves an agent that runs; the same command completes it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spot_agent.configuration import FOLDERS, read_text
from spot_agent.edges.disk import is_in_use
from spot_agent.installed import system
from spot_agent.installed.account import make_account
from spot_agent.installed.places import HELPER, HELPER_SOCKET, WATCHER, Places, parse_installed
from spot_agent.installed.program import interpreter, program
from spot_agent.installed.settings_text import FIRST_TEXT, with_keys
from spot_agent.installed.system import InstallError
from spot_agent.installed.unit_texts import is_changed, unit_texts

if TYPE_CHECKING:
    from collections.abc import Mapping

LIVE: Final = Path("/")


@dataclass(frozen=True)
class _Files:
    """What is to be written."""

    program: bytes
    configuration: str
    units: Mapping[str, str]


def install(places: Places, keys: Mapping[str, str]) -> tuple[str, ...]:
    """Install; give what was done. ``keys``: of the section ``[agent]``.

    Raises ``InstallError`` and ``ConfigurationError``.
    Below another root than ``/`` only files are written, as for a package or an image.
    """
    is_live = places.root == LIVE
    if is_live:
        check_system()
        _check_others(places)
    files = _files(places, keys)
    # The first of all: whatever is made from now on, `uninstall` can be called to remove it.
    system.write_file(places.program, files.program, 0o755)
    if is_live:
        make_account(places.group_is_ours)
    for folder in FOLDERS:
        system.make_folder(places.hooks / folder)
    system.write_file(places.configuration, files.configuration.encode(), 0o644)
    kept = [aside for name in files.units if (aside := keep_changed(places.units / name))]
    for name, text in files.units.items():
        system.write_file(places.units / name, text.encode(), 0o644)
    return (
        f"written: {places.program}, {places.configuration}, {', '.join(files.units)} in {places.units}",
        *(f"was changed, and is kept as {aside}: put what you changed into a drop-in" for aside in kept),
        *(_start() if is_live else ()),
    )


def keep_changed(unit: Path) -> Path | None:
    """Copy a unit of ours that somebody changed, and say where it is; ``None`` if there is none."""
    try:
        text = unit.read_bytes()
    except FileNotFoundError:
        return None
    if not is_changed(text.decode("utf-8", "replace")):
        return None
    aside = unit.with_name(unit.name + ".changed")
    system.write_file(aside, text, 0o644)
    return aside


def check_system() -> None:
    """Raise ``InstallError`` if this is no system to install on, or to remove from."""
    if os.geteuid():
        message = "only root may do that: sudo spot-agent ..."
        raise InstallError(message)
    if not Path("/run/systemd/system").is_dir():
        message = "there is no systemd here: use `spot-agent run` in the foreground, under a supervisor of your own"
        raise InstallError(message)
    system.check_commands("systemctl", "useradd", "userdel", "groupadd", "groupdel")


def check_unused(places: Places) -> None:
    """Raise ``InstallError`` if an agent that is not the service uses the state folder."""
    if is_in_use(places.state) and not system.is_active(WATCHER):
        message = f"an agent that is not {WATCHER} runs with {places.state}: end it, and say it again"
        raise InstallError(message)


def _check_others(places: Places) -> None:
    check_unused(places)
    for name in (WATCHER, HELPER_SOCKET, HELPER):
        own = places.own_units / name
        if own.exists() or own.is_symlink():
            message = f"{own} is a unit of your own, and would hide the one of `install`: remove it, and say it again"
            raise InstallError(message)


def _files(places: Places, keys: Mapping[str, str]) -> _Files:
    python = interpreter()
    is_there = places.configuration.exists()
    text = read_text(places.configuration) if is_there else FIRST_TEXT
    text = with_keys(text, keys)
    parse_installed(text, str(places.configuration), places)
    target = Places().program
    return _Files(program(target, python), text, unit_texts(python, target))


def _start() -> tuple[str, ...]:
    """Have systemd run what was written. One that runs ends in order first: what is under way is completed."""
    system.command("systemctl", "daemon-reload")
    system.command("systemctl", "enable", "--quiet", WATCHER, HELPER_SOCKET)
    system.command("systemctl", "stop", WATCHER)
    system.command("systemctl", "restart", HELPER_SOCKET)
    try:
        system.command("systemctl", "start", WATCHER)
    except InstallError as error:
        message = f"it is installed, but does not run: journalctl -u {WATCHER} says why; it is tried again each second"
        raise InstallError(message) from error
    return (
        f"the agent runs: systemctl status {WATCHER}",
        "is everything there? spot-agent check; do the hooks fit into a notice? spot-agent rehearse",
    )
