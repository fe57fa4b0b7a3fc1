"""What a function may give as a file: to read a pipe would wait for ever for somebody to write."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spot_worker.deciding.conversation import Task
from spot_worker.job import Job

if TYPE_CHECKING:
    from spot_worker.deciding.conversation import Answer, Said


class Silent:
    """A line on which nothing is to be said."""

    stop_requested = False

    def ask(self, said: Said) -> Answer:
        """Fail."""
        raise AssertionError(said)


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (Path("a.bin"), "Path is not JSON serializable; for a file use save_file"),
        (b"bytes", "bytes is not JSON serializable; use save_file for anything else"),
    ],
)
def test_a_state_that_is_no_json_says_what_to_use_instead(state: object, why: str) -> None:
    job = Job(Silent(), Task("frames", "job-1", 1, None, "/"), 60.0)
    with pytest.raises(TypeError, match=why):
        job.checkpoint.save(state)


def test_a_submitted_job_is_what_it_was_when_it_was_submitted() -> None:
    job = Job(Silent(), Task("frames", "job-1", 1, None, "/"), 60.0)
    body: dict[str, object] = {"parts": [1]}
    for number in (1, 2):
        body["number"] = number
        job.submit("next", body)
    body.clear()
    assert [one.body for one in job.lists.submitted] == [{"parts": [1], "number": 1}, {"parts": [1], "number": 2}]


def test_only_regular_files_are_saved_and_given_as_outputs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    job = Job(Silent(), Task("frames", "job-1", 1, None, str(tmp_path)), 60.0)
    for odd in (tmp_path, "/dev/null", tmp_path / "pipe"):
        with pytest.raises(ValueError, match="no regular file"):
            job.output(odd, "name")
        with pytest.raises(ValueError, match="no regular file"):
            job.checkpoint.save_file(odd)
