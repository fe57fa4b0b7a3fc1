"""Real processes of functions, spoken to as the worker does: what one job does reaches no other one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spot_worker.deciding.conversation import (
    Died,
    Failed,
    LoadAsked,
    Returned,
    StateSaved,
    Task,
)
from spot_worker.edges.processes.child_process import FunctionProcesses, _remove
from spot_worker.running.ports import NotBegunError
from workbench.played import Played, play
from workbench.real_worker import until
from workbench.virtual import VirtualLog

if TYPE_CHECKING:
    from spot_worker.deciding.conversation import Answer, Said

_NOBODY = 65534


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    return tmp_path


def test_an_import_that_takes_long_is_said_again_and_again(here: Path) -> None:
    (here / "hangs.py").write_text(
        "import time\n"
        "from pathlib import Path\n"
        "while not Path('go').exists():\n"
        "    time.sleep(0.01)\n"
        "def work(job):\n"
        "    return 1\n"
    )

    async def played() -> None:
        log = VirtualLog()
        processes = FunctionProcesses("hangs:work", here / "jobs", 60.0, log, says_every_s=0.1)
        starting = asyncio.ensure_future(processes.start(0))
        while len(log.lines) < 3:
            await asyncio.wait({starting}, timeout=0.01)
        (here / "go").touch()
        await (await starting).kill()
        assert {line["event"] for line in log.lines} == {"still importing"}
        assert log.lines[0]["function"] == "hangs:work"

    asyncio.run(asyncio.wait_for(played(), 40.0))


@pytest.mark.parametrize("what", ["RuntimeError('changed')", "SystemExit(3)"])
def test_a_result_whose_parts_raise_is_the_jobs_failure(here: Path, what: str) -> None:
    (here / "odd_result.py").write_text(
        f"class Odd(dict):\n    def items(self):\n        raise {what}\ndef work(job):\n    return Odd(a=1)\n"
    )

    async def story(played: Played) -> None:
        said = await played.job()
        assert isinstance(said, Failed)
        assert said.error.startswith("the function's result cannot be written: ")
        assert not said.is_permanent

    play(here, "odd_result:work", story)


def test_threads_that_a_function_leaves_behind_never_speak_for_the_next_job(here: Path) -> None:
    async def story(played: Played) -> None:
        for number in range(20):
            said = await played.job(job_id=f"job-{number}")
            assert isinstance(said, Returned)
            assert all(f"job-{number}" in text for text in [*played.saved, said.text] if text != "null")
        # Each of them got an error where it asked once more.
        until(lambda: (here / "ended").read_text().count("RefusedError") == 60)

    play(here, "leaves_threads", story)


@pytest.mark.parametrize(("body", "code"), [("asks", 3), ("exits", 4), ("raises", 1), ("returns", 0)])
def test_a_fork_says_nothing_for_its_job_nor_for_the_next_one(here: Path, body: str, code: int) -> None:
    async def story(played: Played) -> None:
        for _ in range(2):
            said = await played.job(body)
            assert isinstance(said, Returned)
            assert said.text == f'"exit code {code}"'
            assert played.saved == []
        assert (here / "refused").exists() == (body == "asks")

    play(here, "forks", story)


def test_a_question_that_a_signal_breaks_off_shifts_no_later_answer(here: Path) -> None:
    async def story(played: Played) -> None:
        def answers(said: Said) -> Answer | None:
            if said == StateSaved('"first"'):
                (here / "asked").touch()
                until((here / "interrupted").exists)
            return None

        played.answers = answers
        said = await played.job()
        assert isinstance(said, Returned)
        assert said.text == '["second"]'

    play(here, "is_interrupted", story)


def test_a_word_of_another_job_is_ignored_and_logged(here: Path) -> None:
    (here / "speaks.py").write_text(
        "import gc, socket\n"
        "from spot_worker.deciding.conversation import Returned\n"
        "from spot_worker.deciding.wire import Told, write_line\n"
        "def f(job):\n"
        "    pipe = next(one for one in gc.get_objects() if isinstance(one, socket.socket))\n"
        "    pipe.sendall(write_line(Told(0, 0, Returned('7'))))\n"
        "    return 8\n"
    )

    async def story() -> None:
        log = VirtualLog()
        child = await FunctionProcesses("speaks:f", here / "jobs", 60.0, log).start(0)
        try:
            said = await asyncio.wait_for(Played(child, log).job(), 40.0)
            assert isinstance(said, Returned)
            assert said.text == "8"
            assert [line["event"] for line in log.lines] == ["word of another job"]
        finally:
            await child.kill()

    asyncio.run(story())


def test_each_job_begins_in_the_folder_of_the_worker(here: Path) -> None:
    async def story(played: Played) -> None:
        for _ in range(2):
            said = await played.job()
            assert isinstance(said, Returned)
            assert said.text == f'"{here}"'

    play(here, "goes_elsewhere", story)


def test_each_attempt_has_an_empty_folder_of_its_own_which_is_removed(here: Path) -> None:
    async def story(played: Played) -> None:
        folders = []
        for _ in range(2):
            said = await played.job()
            assert isinstance(said, Returned)
            folder, was_empty = json.loads(said.text)
            assert was_empty
            folders.append(folder)
        assert folders[0] != folders[1]
        until(lambda: not any(Path(folder).exists() for folder in folders))

    play(here, "names_its_folder", story)


def test_what_is_killed_leaves_no_folder(here: Path) -> None:
    async def story(played: Played) -> None:
        await played.child.begin(Task("frames", "job-1", 1, None))
        assert isinstance(await played.child.hear(), (LoadAsked, StateSaved))
        assert list((here / "jobs" / "0").iterdir())
        await played.child.kill()
        until(lambda: not list((here / "jobs" / "0").iterdir()))

    play(here, "leaves_threads", story)


def test_a_folder_that_a_job_has_closed_is_removed_and_one_that_cannot_be_is_told_once() -> None:
    is_root = os.geteuid() == 0
    if is_root:
        # Nothing is closed to root. It is so for every thread, also for those that still remove what others left.
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and "_remove" in thread.name:
                thread.join(60)
        os.seteuid(_NOBODY)
    try:
        outer = Path(tempfile.mkdtemp())
        folder, kept = outer / "1-a", outer / "other"
        (folder / "closed").mkdir(parents=True)
        kept.mkdir(mode=0o500)
        (folder / "closed" / "file").write_text("x")
        (folder / "link").symlink_to(kept)
        (folder / "closed").chmod(0o500)
        log = VirtualLog()
        _remove(folder, log)
        assert (folder.exists(), kept.stat().st_mode & 0o777, log.lines) == (False, 0o500, [])
        folder.mkdir()
        outer.chmod(0o500)
        _remove(folder, log)
        assert log.lines == [{"event": "folder not removed", "folder": str(folder)}]
        outer.chmod(0o700)
        _remove(outer, log)
    finally:
        if is_root:
            os.seteuid(0)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("cannot_say_why", "_SilentError: (it cannot say why"),
        ("names_no_text", "ValueError: \\udcff\\udcfe"),
        ("deletes_much", "70000"),
    ],
)
def test_what_cannot_be_said_is_refused_where_the_function_runs(here: Path, function: str, words: str) -> None:
    async def story(played: Played) -> None:
        said = await played.job()
        assert isinstance(said, Failed)
        assert words in said.error
        assert played.child.is_alive()

    play(here, function, story)


def test_what_is_too_large_to_ask_for_is_an_error_of_the_function(here: Path) -> None:
    async def story(played: Played) -> None:
        said = await played.job()
        assert isinstance(said, Returned)
        assert "RefusedError: " in said.text

    play(here, "asks_for_much", story)


def test_how_a_process_died_is_known(here: Path) -> None:
    async def story(played: Played) -> None:
        said = await played.job()
        assert isinstance(said, Died)
        assert "ended by SIGSEGV" in said.how

    play(here, "ends_by_signal", story)


def test_a_job_that_has_not_begun_is_told_from_one_that_died(here: Path) -> None:
    """No folder can be made, or the process is no more, or does not answer."""

    async def no_folder(played: Played) -> None:
        (here / "jobs").write_text("a file")
        with pytest.raises(NotBegunError, match="no folder for the job"):
            await played.job()

    async def stuck() -> None:
        spec, folder = "workbench.bad_jobs:goes_elsewhere", here / "jobs"
        child = await FunctionProcesses(spec, folder, 60.0, VirtualLog(), begin_within_s=1.0).start(0)
        try:
            played = Played(child, VirtualLog())
            said = await played.job()
            assert isinstance(said, Returned)
            os.kill(child.pid, signal.SIGSTOP)
            with pytest.raises(NotBegunError, match="within 1 seconds"):
                await played.job()
        finally:
            await child.kill()

    async def dead(played: Played) -> None:
        assert isinstance(await played.job(), Died)
        with pytest.raises(NotBegunError, match="SIGSEGV"):
            await played.job()

    play(here, "goes_elsewhere", no_folder)
    (here / "jobs").unlink()
    play(here, "ends_by_signal", dead)
    asyncio.run(asyncio.wait_for(stuck(), 40.0))
