"""A person's ``spot-worker`` finds the jobs of the running world by the lines of ``make -s worker-env``."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from localazure.demo.control import ControlError
from localazure.demo.jobs.worker_env import leave_work, remove_work, worker_lines

if TYPE_CHECKING:
    from pathlib import Path

FOUND: Final = {"AZURE_STORAGE_CONNECTION_STRING": "AccountName=a;AccountKey=k=$x '", "REQUESTS_CA_BUNDLE": "/a b"}


def test_a_shell_takes_the_lines_as_they_are(tmp_path: Path) -> None:
    """With all that a key or a folder may hold; what a proxy was not to see before, it still is not."""
    leave_work(tmp_path, FOUND)
    shown = 'printf "%s\\n" "$AZURE_STORAGE_CONNECTION_STRING" "$REQUESTS_CA_BUNDLE" "$NO_PROXY"'
    done = subprocess.run(  # noqa: S603 - our own
        ["/bin/sh", "-c", f"{worker_lines(tmp_path)}{shown}"],
        env={"NO_PROXY": "intranet"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [*FOUND.values(), "127.0.0.1,intranet"]


def test_only_its_user_may_read_the_key(tmp_path: Path) -> None:
    """It is the key of a whole account, be it one that lives for minutes."""
    leave_work(tmp_path, FOUND)
    assert [file.stat().st_mode & 0o777 for file in tmp_path.iterdir()] == [0o600]


def test_without_a_world_it_is_said_how_to_start_one(tmp_path: Path) -> None:
    """Before one begins, and after it has ended."""
    leave_work(tmp_path, FOUND)
    remove_work(tmp_path)
    with pytest.raises(ControlError, match="make run"):
        worker_lines(tmp_path)
