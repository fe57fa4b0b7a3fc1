"""``remove``: takes away what the installer and systemd made. What the VM's owner put beside it is left, and named."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from spot_vm.system import before, call, half, take_away

if TYPE_CHECKING:
    from pathlib import Path

    from spot_vm.places import Places


def remove(places: Places) -> tuple[str, ...]:
    """Stop the workers and remove all of it; say what is left. It may be called again, also after it was cut off."""
    applied = {noted.stem.partition("-")[2] for noted in places.home.glob("started-*.json")}
    workers = sorted({file.stem for file in places.settings.glob("*.env")} | applied)
    for worker in workers:
        # Not checked: a unit that is not there any more is what is wanted.
        call("systemctl", "disable", "--now", f"spot-worker@{worker}", check=False)
    # From now on nobody may take the agent for installed, though its program is the last that goes.
    _remove(places.installed_agent)
    if places.agent.exists():
        # By this Python: the one that it was installed by may be gone since an upgrade of the system.
        call(sys.executable, str(places.agent), "uninstall")
    _remove(places.agent.with_name(f".{places.agent.name}.new"))  # of an installation that was killed at its first step
    files = [places.unit, places.quiet, *(places.settings / f"{worker}.env" for worker in sorted(applied))]
    _remove(*files, *map(half, files))
    _remove_if_empty(places.quiet.parent)
    # The settings before the note by which they are known to be ours.
    _remove(*places.home.glob("started-*.json"), *places.home.glob("started-*.json.new"))
    links = [one for at in (places.environment, places.work) for one in (at, before(at))]
    _remove(*links, *map(half, links))
    for kept in (places.home / "venvs", places.home / "works"):
        for folder in [one for one in kept.glob("*") if one.is_dir()]:
            take_away(folder)
        _remove(kept)
    _remove(*places.of_workers)
    left = [*_left(places.home), *_left(places.settings), *sorted(places.units.glob("spot-worker@*.d"))]
    # The installer last: until then a second call can do what is left. Its first file before what that needs.
    call("systemctl", "daemon-reload")
    _remove(places.installer, places.installer.parent)
    return (*_told(left), *_to_start_again([worker for worker in workers if worker not in applied]))


def _told(left: list[Path]) -> list[str]:
    return [f"left, as they are yours: {', '.join(map(str, left))}"] if left else []


def _to_start_again(workers: list[str]) -> list[str]:
    if not workers:
        return []
    units = " ".join(f"spot-worker@{worker}" for worker in workers)
    return [f"your workers are stopped; after a new install: systemctl enable --now {units}"]


def _remove(*paths: Path) -> None:
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _left(folder: Path) -> list[Path]:
    """Remove a folder if nothing is in it; give what is."""
    _remove_if_empty(folder)
    return sorted(folder.iterdir()) if folder.is_dir() else []
