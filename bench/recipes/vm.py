"""A VM of real processes: the software's worker and the agent. Power loss is SIGKILL to all of them.

There is no systemd here: a small ``systemctl`` in the VM's path does for the hooks what they ask of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.recipes.recipe import FOLDER, OURS, REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MARK: Final = "BENCH_VM"
"""An environment variable that all processes of a VM have: a process may leave its group."""

_SYSTEMCTL: Final = """\
#!/bin/sh
# What the hooks ask of systemd: MainPID of the one unit, and to start it. The inner shell waits for the unit's process.
vm='{folder}'
main=$(cat "$vm/main-pid" 2>/dev/null) && kill -0 "$main" 2>/dev/null || main=0
case "$1" in
show) echo "$main" ;;
start) [ "$main" -gt 0 ] || setsid sh -c '"$@" & echo $! > "$0/main-pid"; wait $!; echo $? >> "$0/exit-codes"' \\
    "$vm" {command} < /dev/null >> "$vm/output" 2>&1 & ;;
*) echo "systemctl $*: not here" >&2; exit 1 ;;
esac
"""
_AS_HOST: Final = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"')
"""The VM has a name of its own, by which software knows it."""

_LOOK_S: Final = 0.1
_PATIENCE_S: Final = 240.0


def has_host_names() -> bool:
    """Whether processes may have a host name of their own here."""
    return subprocess.run([*_AS_HOST, "vm", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0  # noqa: S603


class Vm:
    """A VM whose disk is a folder. Only a VM that is evicted needs an agent."""

    def __init__(self, folder: Path, worker: Sequence[str], environment: Mapping[str, str]) -> None:
        """Lay out its disk."""
        self.folder, self._bin = folder, folder / "bin"
        self._bin.mkdir(parents=True)
        command = " ".join(f"'{word.format(vm=folder.name, folder=folder)}'" for word in worker)
        (self._bin / "systemctl").write_text(_SYSTEMCTL.format(folder=folder, command=command), "utf-8")
        (self._bin / "systemctl").chmod(0o755)
        path = f"{self._bin}:{environment['PATH']}"
        self._environment = {"HOME": str(folder), **environment, "PATH": path, _MARK: str(folder)}
        self._children: list[asyncio.subprocess.Process] = []

    async def start_worker(self) -> None:
        """Start the worker, as systemd does at boot."""
        process = await self._begin([str(self._bin / "systemctl"), "start", "worker"])
        await process.wait()

    async def start_agent(self, imds: str, recipe: str) -> None:
        """Start the agent with the recipe's hooks; wait until it watches."""
        hooks = self.folder / "hooks"
        for event in ("preempt", "cancelled", "recover"):
            for hook in (FOLDER / recipe / event).glob("*"):
                (hooks / event).mkdir(parents=True, exist_ok=True)
                shutil.copy(hook, hooks / event)
                (hooks / event / hook.name).chmod(0o755)
        before = self._said().count("watching for events")
        words = [
            "run",
            "--imds",
            imds,
            "--state",
            str(self.folder / "state"),
            "--hooks",
            str(hooks),
            "--health-port",
            "0",
        ]
        await self._begin([str(OURS), "-m", "spot_agent", *words])
        async with asyncio.timeout(_PATIENCE_S):
            while self._said().count("watching for events") == before:  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(_LOOK_S)

    def health_url(self) -> str:
        """Give where the agent answers the load balancer's probe."""
        found: list[str] = re.findall(r"^health: (\S+)", self._said(), re.MULTILINE)
        return found[-1]

    async def kill(self) -> None:
        """Take the power away."""
        while pids := self._pids():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0)
        for child in self._children:
            await child.wait()
        self._children.clear()
        # As a boot empties /run.
        (self.folder / "main-pid").unlink(missing_ok=True)

    def has_worker(self) -> bool:
        """Whether the worker's main process runs."""
        with suppress(OSError, ValueError):
            os.kill(int((self.folder / "main-pid").read_text("ascii")), 0)
            return True
        return False

    def exit_codes(self) -> Sequence[int]:
        """Give those of the workers that ended by themselves."""
        file = self.folder / "exit-codes"
        return [int(line) for line in file.read_text("ascii").split()] if file.exists() else []

    def hook_outcomes(self) -> Mapping[str, str]:
        """Give how each hook ended, as the agent wrote it down, by ``event/name``."""
        file = self.folder / "state" / "history.jsonl"
        lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []
        return {line["phase"][5:]: line["outcome"] for line in lines if line["phase"].startswith("hook ")}

    def _said(self) -> str:
        file = self.folder / "agent-output"
        return file.read_text("utf-8") if file.exists() else ""

    async def _begin(self, command: Sequence[str]) -> asyncio.subprocess.Process:
        with (self.folder / "agent-output").open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *_AS_HOST,
                self.folder.name,
                *command,
                env=self._environment,
                cwd=REPOSITORY,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
            )
        self._children.append(process)
        return process

    def _pids(self) -> Sequence[int]:
        """Find all processes: those with the mark, and those of their sessions, as a program may write over it."""
        mark = f"{_MARK}={self.folder}\0".encode()
        sessions: dict[int, list[int]] = {}
        marked: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with suppress(OSError):
                    state, _, _, session = (entry / "stat").read_text("utf-8").rpartition(")")[2].split()[:4]
                    if state != "Z":
                        sessions.setdefault(int(session), []).append(int(entry.name))
                        if mark in (entry / "environ").read_bytes() + b"\0":
                            marked[int(entry.name)] = int(session)
        theirs = set(marked.values()) - {os.getsid(0)}
        return [*marked, *(pid for session in theirs for pid in sessions[session] if pid not in marked)]
