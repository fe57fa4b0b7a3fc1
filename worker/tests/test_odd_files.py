"""What a function may give as a file: to read a pipe would wait for ever for somebody to write."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from spot_worker.deciding.conversation import Task
from spot_worker.job import Job

if TYPE_CHECKING:
    from pathlib import Path

    from spot_worker.deciding.conversation import Answer, Said


class Silent:
    """A line on which nothing is to be said."""

    stop_requested = False

    def ask(self, said: Said) -> Answer:
        """Fail."""
        raise AssertionError(said)


def test_only_regular_files_are_saved_and_given_as_outputs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    job = Job(Silent(), Task("frames", "job-1", 1, None, str(tmp_path)), 60.0)
    for odd in (tmp_path, "/dev/null", tmp_path / "pipe"):
        with pytest.raises(ValueError, match="no regular file"):
            job.output(odd, "name")
        with pytest.raises(ValueError, match="no regular file"):
            job.checkpoint.save_file(odd)
