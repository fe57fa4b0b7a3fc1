"""The example hooks of ``docs/agent.md``, as they stand there: whoever copies them loses no work."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "agent.md"


class Place:
    """A VM's work, and a share, in a folder. ``is_mounted``: whether the share is there."""

    def __init__(self, folder: Path) -> None:
        """Make both, empty."""
        self.folder, self.is_mounted = folder, True
        self.work, self.share = folder / "srv" / "work", folder / "mnt" / "share"
        self.work.mkdir(parents=True)
        self.share.mkdir(parents=True)

    def write(self, where: Path, text: str, at: int) -> None:
        """Write a checkpoint as of a time."""
        (where / "checkpoint").write_text(text, "utf-8")
        os.utime(where / "checkpoint", (at, at))

    def run(self, name: str) -> int:
        """Run an example; give its exit code."""
        script = re.search(rf"`/etc/spot-agent/hooks/{name}`:\n\n```\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
        assert script
        text = script.group(1).replace("/srv/work", str(self.work)).replace("/mnt/share", str(self.share))
        (self.folder / "mountpoint").write_text(f"#!/bin/sh\nexit {0 if self.is_mounted else 32}\n", "utf-8")
        (self.folder / "mountpoint").chmod(0o755)
        path = {"PATH": f"{self.folder}:{os.environ['PATH']}"}
        return subprocess.run(["/bin/sh", "-c", text], env=path, timeout=60, check=False).returncode  # noqa: S603

    def here(self) -> str:
        """Give the checkpoint that the work goes on from."""
        return (self.work / "checkpoint").read_text("utf-8")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Give an empty one."""
    return Place(tmp_path)


def test_what_was_saved_is_loaded_on_a_disk_that_lost_it(place: Place) -> None:
    """Saved, gone, loaded; nothing tells the work to stop any more."""
    place.write(place.work, "step 100", 1000)
    assert place.run("preempt/save") == 0
    assert (place.work / "stop-taking-work").exists()
    (place.work / "checkpoint").unlink()
    assert place.run("recover/load") == 0
    assert place.here() == "step 100"
    assert not (place.work / "stop-taking-work").exists()


def test_where_only_the_agent_died_the_newer_work_stays(place: Place) -> None:
    """The share has what an eviction of last month saved."""
    place.write(place.share, "step 5", 1000)
    place.write(place.work, "step 999", 2000)
    assert place.run("recover/load") == 0
    assert place.here() == "step 999"


def test_what_was_saved_is_newer_than_what_an_older_disk_has(place: Place) -> None:
    """The VM was put on an older disk."""
    place.write(place.share, "step 999", 2000)
    place.write(place.work, "step 5", 1000)
    assert place.run("recover/load") == 0
    assert place.here() == "step 999"


def test_before_the_first_checkpoint_nothing_is_missing(place: Place) -> None:
    """The VM is not to wait for one for ever."""
    assert place.run("preempt/save") == 0
    assert place.run("recover/load") == 0
    assert not (place.work / "stop-taking-work").exists()


def test_a_share_that_is_not_there_yet_is_waited_for(place: Place) -> None:
    """The work would begin from nothing."""
    place.write(place.work, "step 5", 1000)
    place.is_mounted = False
    assert place.run("recover/load") == 1
    assert place.run("preempt/save") == 1
    assert (place.work / "stop-taking-work").exists()
    assert list(place.share.iterdir()) == []
