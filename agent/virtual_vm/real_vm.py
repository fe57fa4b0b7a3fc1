"""A VM of real processes: the agent as its owner runs it, hooks that are scripts, a folder that outlives kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from virtual_vm.servers import AzureStandIn

if TYPE_CHECKING:
    from collections.abc import Callable

_SOURCES: Final = Path(__file__).resolve().parents[1]
_PATIENCE_S: Final = 60.0


class RealVm:
    """One VM in a folder."""

    def __init__(self, folder: Path) -> None:
        """Make its folder, and the services around it."""
        self.azure = AzureStandIn()
        self.state, self.hooks, self.done = folder / "state", folder / "hooks", folder / "done"
        self.done.mkdir()
        self.arguments: list[str] = []
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(_SOURCES),
            # Nothing listens there: whoever obeys these reaches nobody.
            **dict.fromkeys(("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"), "http://127.0.0.1:9"),
        }
        # Tests begun by nohup ignore SIGHUP, and so would all that they begin.
        self.before_exec: Callable[[], object] = lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL)
        self._process: subprocess.Popen[str] | None = None
        self._port: int | None = None
        self._seen = 0
        self._output = folder / "output.txt"

    def hook(self, name: str, script: str, mode: int = 0o755) -> Path:
        """Write a hook; in its script ``$done`` is a folder for marks."""
        file = self.hooks / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\ndone='{self.done}'\n{script}\n", "utf-8")
        file.chmod(mode)
        return file

    def begin(self) -> None:
        """Start the agent, and wait until it answers on its health port."""
        words = ["run", *self._common(), "--health-port", "0", "--queue", self.azure.queue_url, *self.arguments]
        self._port, self._seen = None, len(self.output().splitlines())
        with self._output.open("a", encoding="utf-8") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own words
                [sys.executable, "-m", "spot_agent", *words],
                stdout=output,
                stderr=output,
                text=True,
                env=self.environment,
                preexec_fn=self.before_exec,  # noqa: PLW1509 - the test has no thread that holds a lock here
            )
        self.until(lambda: self._find_port() is not None)

    def kill(self) -> None:
        """SIGKILL to the agent and, as a VM that goes down does, to all its hooks."""
        process = self._process
        assert process is not None
        groups = _children(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for group in groups:
            try:
                os.killpg(group, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process = None

    def kill_agent_only(self) -> None:
        """SIGKILL to the agent; its hooks run on."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def send(self, number: signal.Signals) -> None:
        """Send the agent a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def terminate(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal that ends; give the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(_PATIENCE_S)
        self._process = None
        return code

    def close(self) -> None:
        """End everything."""
        if self._process:
            self.kill()
        self.azure.close()

    def ask(self, *words: str) -> tuple[int, Any]:
        """Run a command with ``--json``; give its exit code and answer."""
        command = [sys.executable, "-m", "spot_agent", words[0], *self._common(), *words[1:], "--json"]
        done = subprocess.run(  # noqa: S603 - our own words
            command, env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

    def start(self, command: str, *words: str) -> subprocess.Popen[str]:
        """Start a command that the test does something to, with ``--json`` if it answers by that."""
        json_word = [] if command == "run" else ["--json"]
        return subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-m", "spot_agent", command, *self._common(), *words, *json_word],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def history(self) -> list[dict[str, str]]:
        """Give what the agent wrote down."""
        _, lines = self.ask("history")
        assert isinstance(lines, list)
        return lines

    def health(self) -> int:
        """Ask as a load balancer does; give the status."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{self._port}/health", timeout=5) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code

    def marks(self, name: str) -> list[str]:
        """Give the lines that hooks wrote into a mark."""
        file = self.done / name
        return file.read_text("utf-8").splitlines() if file.exists() else []

    def output(self) -> str:
        """Give what the agent printed."""
        return self._output.read_text("utf-8") if self._output.exists() else ""

    def until(self, is_so: Callable[[], object], patience_s: float = _PATIENCE_S) -> None:
        """Wait for something that should come to pass."""
        deadline = time.monotonic() + patience_s
        while not is_so():
            if time.monotonic() > deadline:
                message = f"it did not come to pass within {patience_s:.0f} s; the agent said:\n{self.output()}"
                raise AssertionError(message)
            time.sleep(0.02)

    def _common(self) -> list[str]:
        return ["--imds", self.azure.url, "--state", str(self.state), "--hooks", str(self.hooks)]

    def _find_port(self) -> int | None:
        """Read where it answers, once this process says so."""
        process = self._process
        if process is not None and process.poll() is not None:
            message = f"the agent ended with {process.returncode}:\n{self.output()}"
            raise AssertionError(message)
        lines = self.output().splitlines()[self._seen :]
        said = [line for line in lines if line.startswith("health: ")]
        if said and "watching for events" in lines:
            self._port = int(said[0].rpartition(":")[2].partition("/")[0])
        return self._port


def preempt(event_id: str = "E1", notice_s: float = 30.0, kind: str = "Preempt") -> dict[str, Any]:
    """Write an event about this VM, by the real clock."""
    at = datetime.now(timezone.utc) + timedelta(seconds=notice_s)
    return {
        "EventId": event_id,
        "EventStatus": "Scheduled",
        "EventType": kind,
        "ResourceType": "VirtualMachine",
        "Resources": ["render-1"],
        "NotBefore": f"{at:%a, %d %b %Y %H:%M:%S GMT}",
        "DurationInSeconds": -1,
    }


def _children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text("ascii").rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                found.append(int(entry.name))
    return found
