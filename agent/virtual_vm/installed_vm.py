"""A VM on which the agent is installed: the watcher and its helpers are real processes, systemd is a stand-in.

The stand-in begins a helper for each connection, with it on standard input, and hears what the watcher notifies.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Final

from spot_agent.installed.places import Places
from virtual_vm.real_vm import RealVm

if TYPE_CHECKING:
    from pathlib import Path

_WATCH: Final = """
import pathlib, sys
from spot_agent.edges.metadata import MetadataService
from spot_agent.installed.places import Places
from spot_agent.installed.watch import watch
watch(Places(pathlib.Path(sys.argv[1])), MetadataService(sys.argv[2]))
"""
_HELP: Final = """
import pathlib, socket, sys
from spot_agent.installed.helper import help_once
from spot_agent.installed.places import Places
sys.exit(help_once(socket.socket(fileno=0), Places(pathlib.Path(sys.argv[1])), int(sys.argv[2])))
"""


class InstalledVm:
    """A VM in a folder; ``real`` has its hooks, marks and services. ``commands`` is first in the helpers' PATH."""

    def __init__(self, folder: Path) -> None:
        """Write a configuration, and listen for the watcher."""
        self.places = Places(folder / "root")
        self.real = RealVm(folder)
        self.real.hooks, self.real.state = self.places.hooks, self.places.state
        self.commands = folder / "commands"
        for made in (self.places.hooks, self.places.helper_state, self.places.socket.parent, self.commands):
            made.mkdir(parents=True)
        self.places.configuration.write_text("[agent]\n", "utf-8")
        self.watcher_uid = os.getuid()
        self.helpers: list[subprocess.Popen[bytes]] = []
        self._helper_said = (folder / "helper.txt").open("ab")
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notified.bind(str(folder / "notify"))
        self._notify_at = folder / "notify"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.places.socket))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()
        self._watcher: subprocess.Popen[bytes] | None = None
        self._output = (folder / "output.txt").open("ab")

    def begin(self) -> None:
        """Start the watcher, and wait until it says that it is ready."""
        environment = {**self.real.environment, "NOTIFY_SOCKET": str(self._notify_at)}
        self._watcher = subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-c", _WATCH, str(self.places.root), self.real.azure.url],
            env=environment,
            stdout=self._output,
            stderr=self._output,
        )
        self._notified.settimeout(60.0)
        while self.next_notification() != "READY=1":
            continue

    def next_notification(self) -> str:
        """Wait for what the watcher notifies next."""
        return self._notified.recv(100).decode()

    def kill_watcher(self) -> None:
        """SIGKILL to the watcher; helpers and hooks run on."""
        assert self._watcher is not None
        self._watcher.kill()
        self._watcher.wait()
        self._watcher = None

    def stop_watcher(self) -> int:
        """Stop it in order, as systemd does; give the exit code."""
        assert self._watcher is not None
        self._watcher.terminate()
        code = self._watcher.wait(60)
        self._watcher = None
        return code

    def ask(self, request: bytes) -> str:
        """Ask the helper, as any process may try to; give all that it answers."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60.0)
            connection.connect(str(self.places.socket))
            connection.sendall(request)
            with connection.makefile("r", encoding="utf-8") as lines:
                return lines.read()

    def stop_listening(self) -> None:
        """Take the helper's socket away."""
        self.places.socket.unlink()

    def close(self) -> None:
        """End everything."""
        if self._watcher:
            self.kill_watcher()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for helper in self.helpers:
            helper.kill()
            helper.wait()
        self._notified.close()
        self._output.close()
        self._helper_said.close()
        self.real.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            environment = {**self.real.environment, "PATH": f"{self.commands}:{os.environ['PATH']}"}
            helper = subprocess.Popen(  # noqa: S603 - our own words
                [sys.executable, "-c", _HELP, str(self.places.root), str(self.watcher_uid)],
                env=environment,
                stdin=connection.fileno(),
                stdout=self._helper_said,
                stderr=self._helper_said,
            )
            connection.close()
            self.helpers.append(helper)
