"""Real workers: processes of ``spot-worker``, with their log, in a folder of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Final

if TYPE_CHECKING:
    import signal
    from pathlib import Path

    from workbench.azurite import Storage

_LOOKS_EVERY_S: Final = 0.05
PATIENCE_S: Final = 60.0
NO_METADATA_SERVICE: Final = "http://127.0.0.1:9"


class Worker:
    """A process of ``spot-worker run``. ``said``: its log so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Begin to read its log."""
        self.process = process
        self.said: list[dict[str, Any]] = []
        self.printed: list[str] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def events(self, name: str) -> list[dict[str, Any]]:
        """Give the lines of one kind."""
        return [line for line in list(self.said) if line["event"] == name]

    def wait_for(self, name: str, count: int = 1) -> None:
        """Wait until a line was written so often."""
        until(lambda: len(self.events(name)) >= count or not self._reading.is_alive())
        assert len(self.events(name)) >= count, f"no {name!r}: {self.said} {self.printed}"

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.process.pid, number)

    def ended(self) -> int:
        """Wait for its end, and give the exit code."""
        code = self.process.wait(PATIENCE_S)
        self._reading.join(PATIENCE_S)
        return code

    def _read(self) -> None:
        assert self.process.stderr
        with self.process.stderr as lines:
            for line in lines:
                try:
                    self.said.append(json.loads(line))
                except ValueError:
                    self.printed.append(line.rstrip())


class Bench:
    """Starts commands against one storage account, in one folder."""

    def __init__(self, storage: Storage, folder: Path) -> None:
        """Nothing runs yet."""
        self.storage, self.folder = storage, folder
        self._workers: list[Worker] = []

    def run(self, function: str, queue: str, *options: str, state: str = "state") -> Worker:
        """Start a worker for a function of ``workbench.jobs``, or of a module in the folder."""
        spec = function if ":" in function else f"workbench.jobs:{function}"
        where = () if "--imds" in options else ("--imds", NO_METADATA_SERVICE)
        words = ("run", spec, "--queue", queue, "--state", str(self.folder / state), *where)
        agent = ("--agent-state", str(self.folder / "agent"))
        process = subprocess.Popen(  # noqa: S603 - our own choice of words
            [sys.executable, "-m", "spot_worker", *words, *agent, *options],
            cwd=self.folder,
            env=self.environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        worker = Worker(process)
        self._workers.append(worker)
        return worker

    def command(self, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Call another command."""
        return subprocess.run(  # noqa: S603 - our own choice of words
            [sys.executable, "-m", "spot_worker", *words],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            input=given,
            check=False,
        )

    def asked(self, *words: str) -> Any:  # noqa: ANN401 - any JSON value
        """Call a command that answers in JSON."""
        done = self.command(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def submit(self, queue: str, *bodies: object) -> list[str]:
        """Submit jobs; give their ids."""
        lines = "\n".join(json.dumps(body) for body in bodies)
        done = self.command("submit", "--queue", queue, "-", "--json", given=lines)
        assert done.returncode == 0, done.stderr
        submitted: list[str] = json.loads(done.stdout)["submitted"]
        return submitted

    def results(self, queue: str) -> list[dict[str, Any]]:
        """Give the rows of results."""
        rows: list[dict[str, Any]] = self.asked("results", "--queue", queue)
        return rows

    def end(self) -> None:
        """Leave no worker behind."""
        for worker in self._workers:
            worker.process.kill()
            worker.ended()

    def environment(self) -> dict[str, str]:
        """Give the variables that commands run with."""
        paths = [path for path in sys.path if path]
        return {
            **os.environ,
            "AZURE_STORAGE_CONNECTION_STRING": self.storage.connection_string,
            "PYTHONPATH": os.pathsep.join(paths),
            "SPOT_BOOT_ID": "boot-1",
        }


def until(is_so: Callable[[], object], within_s: float = PATIENCE_S) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(_LOOKS_EVERY_S)


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stream:  # noqa: PTH123 - no file of ours
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
