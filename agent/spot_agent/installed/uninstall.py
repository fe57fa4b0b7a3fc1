"""``uninstall``: removes what ``install`` and the agent made. Hooks and drop-ins are their owner's: they are named."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from spot_agent.configuration import FOLDERS
from spot_agent.installed import system
from spot_agent.installed.account import remove_account
from spot_agent.installed.install import check_system, check_unused, keep_changed
from spot_agent.installed.places import HELPER, HELPER_SOCKET, WATCHER
from spot_agent.installed.system import InstallError

if TYPE_CHECKING:
    from pathlib import Path

    from spot_agent.installed.places import Places


def uninstall(places: Places) -> tuple[str, ...]:
    """Remove; give what was removed, and what is left. Raises ``InstallError``. Nothing there is nothing to do."""
    check_system()
    check_unused(places)
    units = [places.units / name for name in (WATCHER, HELPER_SOCKET, HELPER) if (places.units / name).exists()]
    _end([unit.name for unit in units])
    for unit in units:
        keep_changed(unit)
    removed = [str(path) for path in (*units, places.socket, places.state, places.configuration) if system.remove(path)]
    system.command("systemctl", "daemon-reload")
    # Before the folder with the note that the group is ours.
    removed += remove_account(places.group_is_ours)
    removed += [str(places.helper_state)] if system.remove(places.helper_state) else []
    ours = [places.program, places.configuration, *(places.units / name for name in (WATCHER, HELPER_SOCKET, HELPER))]
    for file in ours:
        system.remove(system.half(file))
    left = [*_remove_folders(places), *_drop_ins(places), *sorted(places.units.glob("spot-agent*.changed"))]
    # The last, so that what was begun can be completed by the same command.
    removed += [str(places.program)] if system.remove(places.program) else []
    return (
        f"removed: {', '.join(removed)}" if removed else "there was nothing to remove",
        *([f"left, as they are yours: {', '.join(map(str, left))}"] if left else []),
    )


def _end(units: list[str]) -> None:
    """Stop and forget them: the watcher first, in order; helpers end with what they do."""
    if WATCHER in units:
        system.command("systemctl", "stop", WATCHER)
    if HELPER in units:
        system.command("systemctl", "stop", HELPER.replace("@", "@*"))
    enabled = [unit for unit in units if unit != HELPER]
    if enabled:
        system.command("systemctl", "disable", "--quiet", "--now", *enabled)
    for unit in enabled:
        with suppress(InstallError):  # it says so of a unit that has not failed, too
            system.command("systemctl", "reset-failed", "--", unit)


def _remove_folders(places: Places) -> list[Path]:
    """Remove our folders if they are empty; give the files that are left in them."""
    for folder in FOLDERS:
        system.remove_empty(places.hooks / folder)
    for ours in (places.hooks, places.units, places.units.parent):
        system.remove_empty(ours)
    if system.remove_empty(places.settings):
        return []
    return sorted(file for file in places.settings.rglob("*") if not file.is_dir())


def _drop_ins(places: Places) -> list[Path]:
    folders = (places.own_units / f"{name}.d" for name in (WATCHER, HELPER_SOCKET, HELPER))
    return [folder for folder in folders if folder.is_dir()]
