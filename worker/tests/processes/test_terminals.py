"""What commands do with terminals and files that take no letters, or are not there."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from spot_worker.commands.showing import show
from spot_worker.deciding.messages import write_message

if TYPE_CHECKING:
    from workbench.real_worker import Bench

_WORKER = f"{sys.executable} -m spot_worker"


def in_shell(bench: Bench, words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Call a command as a shell does."""
    given = {**bench.environment(), **environment}
    return subprocess.run(  # noqa: S602 - our own words
        f"{_WORKER} {words}", shell=True, cwd=bench.folder, env=given, capture_output=True, text=True, check=False
    )


def test_a_table_is_shown_whatever_stands_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    show([{"job_id": "a", "result": "\ud800 \x1b[31m\x07 ö\nß"}], ("job_id", "result"), as_json=False)
    assert "\\ud800 \\x1b[31m\\x07 ö ß" in capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_results_are_shown_on_a_terminal_that_knows_no_such_letters(bench: Bench, encoding: str) -> None:
    queue = bench.storage.queues.create_queue(f"letters-{encoding}")
    queue.send_message(write_message("job-1", "ö \ud800"), time_to_live=-1)
    (bench.folder / "says.py").write_text("def back(job):\n    return job.body\n")
    assert bench.run("says:back", f"letters-{encoding}", "--until-empty").ended() == 0
    done = in_shell(bench, f"results --queue letters-{encoding}", PYTHONIOENCODING=encoding)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert "\\ud800" in done.stdout


def test_a_closed_or_full_output_is_no_mistake_of_ours(bench: Bench) -> None:
    for words, code in (("workers >&-", 0), ("submit --queue closed --count 1 --json >/dev/full", 2)):
        done = in_shell(bench, words)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        assert "spot-worker: spot-worker:" not in done.stderr
    done = in_shell(bench, "run workbench.jobs:quick --queue closed --state s --imds http://127.0.0.1:9 --once 2>&-")
    assert done.returncode == 0
    assert len(bench.results("closed")) == 1


def test_a_reload_before_the_worker_has_started_ends_nothing(bench: Bench) -> None:
    bench.submit("early", 1)
    # It comes while libraries are imported, before anybody hears signals.
    code = (
        "import importlib.abc, os, signal, sys\n"
        "class Early(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'spot_worker.commands.run':\n"
        "            os.kill(os.getpid(), signal.SIGHUP)\n"
        "sys.meta_path.insert(0, Early())\n"
        "from spot_worker.__main__ import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    given = [
        "run",
        "workbench.jobs:quick",
        "--queue",
        "early",
        "--state",
        "s",
        "--imds",
        "http://127.0.0.1:9",
        "--once",
    ]
    done = subprocess.run(  # noqa: S603 - our own choice of words
        [sys.executable, "-c", code, *given], cwd=bench.folder, env=bench.environment(), check=False, timeout=60
    )
    assert done.returncode == 0


def test_a_module_that_ends_its_process_is_told_in_plain_words(bench: Bench) -> None:
    (bench.folder / "ends.py").write_text("import os\nos._exit(3)\n")
    worker = bench.run("ends:f", "ends-at-import")
    assert worker.ended() == 1
    said = worker.events("cannot start")[0]["error"]
    assert said.endswith("imported the function: the function's process ended with exit code 3")


def test_a_queue_that_is_not_there_is_not_said_to_be_empty(bench: Bench) -> None:
    done = bench.command("jobs", "--queue", "mistyped")
    assert done.returncode == 1
    assert "there is no queue mistyped" in done.stderr
