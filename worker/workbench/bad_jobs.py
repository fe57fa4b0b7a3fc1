"""Functions that do to their process what functions should not do. They leave in the current folder what was seen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spot_worker import Job


def leaves_threads(job: Job) -> object:
    """Return while threads save and save; tell how those of the job before ended."""

    def saves() -> None:
        number = 0
        try:
            while True:
                number += 1
                job.checkpoint.save({"of": job.id, "number": number})
        except Exception as error:  # noqa: BLE001 - that it gets one is what is looked at
            with Path("ended").open("a") as stream:
                stream.write(f"{type(error).__name__}\n")

    for _ in range(3):
        threading.Thread(target=saves, daemon=True).start()
    return job.checkpoint.load()


def forks(job: Job) -> str:
    """Let a fork leave the function, as ``job.body`` says; wait for it, and give its exit code."""
    pid = os.fork()
    if pid == 0:
        if job.body == "asks":
            try:
                job.checkpoint.save("from the fork")
            except Exception as error:  # noqa: BLE001 - whatever it says is what is looked at
                Path("refused").write_text(str(error))
            os._exit(3)
        if job.body == "exits":
            sys.exit(4)
        if job.body == "raises":
            raise ValueError
        return "from the fork"
    return f"exit code {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}"


class _InterruptedError(Exception):
    pass


def is_interrupted(job: Job) -> list[Any]:
    """Let a signal break off a question, then ask others."""

    def interrupts(*_: object) -> None:
        raise _InterruptedError

    def sends() -> None:
        while not Path("asked").exists():
            time.sleep(0.001)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    signal.signal(signal.SIGUSR1, interrupts)
    threading.Thread(target=sends).start()
    try:
        job.checkpoint.save("first")
    except _InterruptedError:
        Path("interrupted").touch()
    job.checkpoint.save("second")
    return [job.checkpoint.load()]


def goes_elsewhere(job: Job) -> str:
    """Leave the folder."""
    found = str(Path.cwd())
    os.chdir(job.workdir)
    return found


def names_its_folder(job: Job) -> list[Any]:
    """Leave something in the folder of the job."""
    was_empty = not list(job.workdir.iterdir())
    (job.workdir / "left").write_text("left behind")
    return [str(job.workdir), was_empty]


class _SilentError(Exception):
    def __str__(self) -> str:
        message = "no words"
        raise RuntimeError(message)


def cannot_say_why(_job: Job) -> None:
    """Raise what has no words."""
    raise _SilentError


def names_no_text(_job: Job) -> None:
    """Raise what holds a file's name that is no text."""
    raise ValueError(os.fsdecode(b"\xff\xfe"))


def deletes_much(job: Job) -> None:
    """Name more inputs than a line between processes holds."""
    job.delete_input("https://x/" + "y" * 70_000_000)


def asks_for_much(job: Job) -> str:
    """Ask for an address that no line between processes holds, and give the answer."""
    try:
        job.fetch("https://x/" + "y" * 70_000_000 + "/z")
    except Exception as error:  # noqa: BLE001 - whatever it says is what is looked at
        return f"{type(error).__name__}: {error}"
    return "nothing"


def ends_by_signal(_job: Job) -> None:
    """End the process."""
    os.kill(os.getpid(), signal.SIGSEGV)


def loses_its_folder(job: Job) -> str:
    """Fetch into a folder that is gone, and give the answer."""
    job.workdir.rmdir()
    try:
        job.fetch(job.body)
    except Exception as error:  # noqa: BLE001 - whatever it says is what is looked at
        return f"{type(error).__name__}: {error}"
    return "nothing"


def appends_while_it_saves(job: Job) -> str:
    """Let a thread write to the file that is being saved, then crash."""
    if job.checkpoint.load() is not None:
        return "gone on"
    file, is_saved = job.workdir / "log", threading.Event()

    def appends() -> None:
        with file.open("ab", buffering=0) as stream:
            while not is_saved.wait(0.001):
                stream.write(b"y" * 1000)

    file.write_bytes(b"x" * 1_000_000)
    threading.Thread(target=appends, daemon=True).start()
    job.checkpoint.save_file(file)
    is_saved.set()
    os._exit(7)


_LEAVES = """
import os
if os.fork() == 0:
    os.setsid()
    print(os.getpid(), flush=True)
    os.close(1)
    os.execv("/bin/sleep", ["sleep", "600"])
"""


def starts_others(job: Job) -> None:
    """Start programs in all ways that lead out of a process group, and wait. The last one has our mark no more."""
    sleep = ["/bin/sleep", "600"]
    left = subprocess.run([sys.executable, "-c", _LEAVES], stdout=subprocess.PIPE, check=True)  # noqa: S603 - our own
    started = [
        subprocess.Popen(["/usr/bin/timeout", "600", *sleep]).pid,  # noqa: S603 - our own
        subprocess.Popen(sleep, preexec_fn=os.setpgrp).pid,  # noqa: PLW1509, S603 - 3.9 has no process_group
        subprocess.Popen(sleep, start_new_session=True).pid,  # noqa: S603 - our own
        int(left.stdout),
        subprocess.Popen(sleep, start_new_session=True, env={}).pid,  # noqa: S603 - our own
    ]
    Path("writing").write_text(" ".join(str(pid) for pid in (os.getpid(), *started)))
    Path("writing").rename(f"pids-{job.attempt}")
    time.sleep(600)
