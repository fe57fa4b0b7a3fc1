"""Functions for jobs of tests. They leave in the folder of the test what they were seen doing."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spot_worker import Permanent, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable

    from spot_worker import Job

_STEP_S = 0.05


def quick(job: Job) -> dict[str, Any]:
    """Return at once."""
    print("printed by the function")  # noqa: T201 - it must not disturb the worker
    return {"body": job.body, "attempt": job.attempt}


def steps(job: Job) -> dict[str, Any]:
    """Count to ``job.body["steps"]``, and save each step; no faster than ``slow`` says."""
    state = job.checkpoint.load() or {"step": 0}
    began = state["step"]
    while state["step"] < job.body["steps"]:
        time.sleep(_STEP_S)
        state["step"] += 1
        job.checkpoint.save(state)
    return {"began": began, "step": state["step"]}


def deaf(job: Job) -> str:
    """Never look whether to stop, the first time; and start a process that does not either."""
    if job.attempt > 1:
        return "done"
    other = subprocess.Popen(["/bin/sleep", "600"])
    Path("pids").write_text(f"{os.getpid()} {other.pid}\n")
    while True:
        time.sleep(_STEP_S)


def waits_for_file(job: Job) -> str:
    """Wait until somebody lets it go on."""
    Path(f"begun-{job.attempt}").touch()
    while not Path("go").exists():
        time.sleep(_STEP_S)
    return "gone on"


def polite(job: Job) -> str:
    """Stop where it is asked to, the first time."""
    if job.attempt > 1:
        return "done"
    try:
        while True:
            time.sleep(_STEP_S)
            job.safe_point()
    except Stopped:
        Path("stopped").touch()
        raise


def fails(job: Job) -> None:
    """Fail."""
    message = f"no {job.body}"
    raise ValueError(message)


def hopeless(job: Job) -> None:
    """Fail in a way that no other attempt would help."""
    message = f"{job.body} is no picture"
    raise Permanent(message)


def crashes(_job: Job) -> None:
    """End the process without a word."""
    os._exit(7)


def no_json(_job: Job) -> object:
    """Return what cannot be kept."""
    return object()


def files(job: Job) -> dict[str, Any]:
    """Save a file, crash, and go on with it; then use all that a job can ask for."""
    kept = job.checkpoint.load()
    if kept is None:
        file = job.workdir / "state.bin"
        for content in (b"first", b"second"):
            file.write_bytes(content * 1000)
            job.checkpoint.save_file(file)
        os._exit(7)
    (job.workdir / "picture.txt").write_text("a picture")
    url = job.output(job.workdir / "picture.txt", "pictures/1.txt")
    job.submit(job.body["next"], {"of": job.id})
    job.delete_input(job.body["input"])
    return {
        "kept": kept.read_bytes().decode()[:6],
        "read": job.fetch(job.body["input"]).read_text(),
        "output": job.fetch(url).read_text(),
    }


def fetches(job: Job) -> str:
    """Get what is at an address."""
    return job.fetch(job.body).read_text()


def misuses(job: Job) -> list[str]:
    """Ask for what cannot be, and give what is said to that."""
    picture = job.workdir / "p"
    picture.write_text("p")
    asks: list[Callable[[], object]] = [
        lambda: job.submit("No Queue", 1),
        lambda: job.submit("next", "x" * 70_000),
        lambda: [job.submit("next", "x" * 60_000) for _ in range(100)],
        lambda: job.delete_input("here.txt"),
        lambda: job.delete_input("https://account/in/here.txt"),
        lambda: _delete_inputs(job, job.output(picture).rpartition("/")[0], 110),
        lambda: job.output(picture, "../p"),
        lambda: job.output(job.workdir / "nothing"),
        lambda: job.checkpoint.save(object()),
        lambda: job.checkpoint.save("x" * 9_000_000),
        lambda: job.checkpoint.save_file(job.workdir / "nothing"),
        lambda: job.fetch("file:///etc/hostname"),
    ]
    said = []
    for ask in asks:
        try:
            ask()
        except Exception as error:  # noqa: BLE001 - whatever it says is what is looked at
            said.append(f"{type(error).__name__}: {error}"[:120])
    job.lists.submitted = job.lists.inputs = ()
    return said


def _delete_inputs(job: Job, there: str, count: int) -> None:
    for number in range(count):
        job.delete_input(f"{there}/{number:010000}")


def large(_job: Job) -> str:
    """Return more than a result holds, and more than a line between processes holds."""
    return "x" * 70_000_000
