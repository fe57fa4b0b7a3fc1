"""Hooks: executables in ``hooks/<event>/``, run in parallel, each in a process group of its own and within a limit.

A hook gets ``SPOT_AGENT_*`` variables (``deciding/hook_words.py``) and the same as JSON on standard input. What it
writes goes to a file in the state folder (``output/``), which keeps the end of the last run's; a pipe would kill what a
hook leaves running when we end.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import stat
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from spot_agent.deciding.heard import OK, HookEnded, HooksOver
from spot_agent.deciding.plans import KILL_AFTER_S
from spot_agent.edges import leftovers
from spot_agent.edges.aside import begin_aside, outcome_of
from spot_agent.edges.hook_output import free_beginning, keep_end, last_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from spot_agent.deciding.actions import RunHooks
    from spot_agent.deciding.heard import Heard

_LOOK_EVERY_S: Final = 0.05
_MOST_LINKS: Final = 40
"""As the kernel has it."""
_ROOM_FOR_OUTPUT: Final = 1024 * 1024
"""With less free on the disk, output is thrown away: a hook must not fail because it cannot write a line."""


@dataclass(frozen=True)
class HookSetting:
    """What the configuration says of one hook."""

    limit_s: float | None = None
    is_essential: bool = True


@dataclass(frozen=True)
class Hook:
    """One hook. ``refused`` says why it must not be run; empty if it may."""

    folder: str
    name: str
    path: Path
    refused: str = ""


def running_folder(state: Path) -> Path:
    """Where hooks that run are noted."""
    return state / "running"


def find_hooks(hooks: Path, folder: str) -> tuple[Hook, ...]:
    """List the executables of an event's folder, by name. Hidden files and what is not executable are left out.

    What others than root and our own user may write is refused: it would give them our rights.
    """
    where = hooks / folder
    try:
        files = sorted(file for file in where.iterdir() if not file.name.startswith("."))
        open_folder = next((why for why in map(refusal, (hooks, where)) if why), "")
    except (FileNotFoundError, NotADirectoryError):
        return ()
    known = _folders_on_the_way(hooks)
    return tuple(
        Hook(folder, file.name, file, open_folder or refusal(file) or _refusal_of_the_way(file, known))
        for file in files
        if file.is_file() and os.access(file, os.X_OK)
    )


def _refusal_of_the_way(file: Path, known: set[Path]) -> str:
    """Say in which folder that a link leads through the hook could be replaced. ``known``: those above all hooks."""
    ways = sorted(_folders_on_the_way(file) - known)
    return next((why for folder in ways if (why := refusal(folder, is_of_many=True))), "")


def refusal_anywhere(file: Path) -> str:
    """Say why a file is not to be trusted, by itself or for a folder on its way; empty if it is."""
    return refusal(file) or _refusal_of_the_way(file, set())


def _folders_on_the_way(path: Path) -> set[Path]:
    """Give every folder in which a name is looked up on the way to a file, through all links."""
    names, at, folders = list(reversed(path.absolute().parts[1:])), Path("/"), {Path("/")}
    links = 0
    while names:
        name = names.pop()
        if name == "..":
            at = at.parent
            continue
        folders.add(at)
        if not (at / name).is_symlink():
            at /= name
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        target = (at / name).readlink()
        at = Path("/") if target.is_absolute() else at
        names += reversed(target.parts[1:] if target.is_absolute() else target.parts)
    return folders


def refusal(path: Path, *, is_of_many: bool = False) -> str:
    """Say why a file or folder is not to be trusted. ``is_of_many``: in it everybody may replace only what is his."""
    found = path.stat()
    if found.st_uid not in {0, os.geteuid()}:
        return f"refused: {path} belongs to another user (uid {found.st_uid})"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not (is_of_many and found.st_mode & stat.S_ISVTX):
        return f"refused: others may write {path} (chmod go-w)"
    return ""


class HookRunner:
    """Runs hooks. What becomes of them is heard by the agent."""

    def __init__(
        self, hooks: Path, state: Path, settings: Mapping[str, HookSetting], hear: Callable[[Heard], None]
    ) -> None:
        """Take the settings by ``folder/name``."""
        self._hooks, self._settings, self._hear = hooks, settings, hear
        self._output, self._running = state / "output", running_folder(state)
        self._stops: dict[str, threading.Event] = {}

    def run(self, action: RunHooks) -> None:
        """Begin those that are meant."""
        try:
            hooks = [hook for hook in self._find(action) if hook.name not in action.skip]
        except OSError as error:
            self._hear(HookEnded(action.run, "*", f"hooks cannot be listed: {error}", 0.0))
            hooks = []
        stop = self._stops[action.run] = threading.Event()
        group = _Group(len(hooks), lambda: self._over(action.run))
        for hook in hooks:
            if refused := begin_aside(self._one, action, hook, stop, group):
                self._hear(HookEnded(action.run, hook.name, refused, 0.0))
                group.one_ended()
        if not hooks:
            self._over(action.run)

    def stop(self, run: str) -> None:
        """Ask those of a run to end."""
        stop = self._stops.get(run)
        if stop:
            stop.set()

    def _over(self, run: str) -> None:
        self._stops.pop(run, None)
        self._hear(HooksOver(run))

    def _find(self, action: RunHooks) -> list[Hook]:
        found = find_hooks(self._hooks, action.folder)
        return [hook for hook in found if action.essential in {None, self._setting(hook).is_essential}]

    def _setting(self, hook: Hook) -> HookSetting:
        return self._settings.get(f"{hook.folder}/{hook.name}", HookSetting())

    def _one(self, action: RunHooks, hook: Hook, stop: threading.Event, group: _Group) -> None:
        began = time.monotonic()
        limit = self._setting(hook).limit_s
        limit_s = min(action.default_s if limit is None else limit, action.cap_s)
        outcome = hook.refused or outcome_of(lambda: self._try(action, hook, limit_s, stop))
        self._hear(HookEnded(action.run, hook.name, outcome, time.monotonic() - began))
        group.one_ended()

    def _try(self, action: RunHooks, hook: Hook, limit_s: float, stop: threading.Event) -> str:
        details = json.dumps(action.details).encode()
        try:
            with self._open_output(hook) as output:
                process = subprocess.Popen(  # noqa: S603 - hooks are what the owner of the VM put there
                    [str(hook.path)],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **action.variables},
                    start_new_session=True,
                )
        except (OSError, ValueError) as error:
            return f"could not be run: {error}"
        leftovers.note(self._running, process.pid)
        _tell(process, details)
        outcome = _wait(process, limit_s, stop, lambda: free_beginning(self._file(hook)))
        leftovers.forget(self._running, process.pid)
        keep_end(self._file(hook))
        last = last_line(self._file(hook)) if outcome != OK else ""
        return f"{outcome}: {last}" if last else outcome

    def _open_output(self, hook: Hook) -> IO[bytes]:
        with suppress(OSError):
            self._output.mkdir(parents=True, exist_ok=True, mode=0o700)
            if shutil.disk_usage(self._output).free >= _ROOM_FOR_OUTPUT:
                (self._file(hook)).unlink(missing_ok=True)
                return self._file(hook).open("ab")
        return open(os.devnull, "wb")  # noqa: PTH123 - closed by the caller

    def _file(self, hook: Hook) -> Path:
        return self._output / f"{hook.folder}-{hook.name}.log"


class _Group:
    """Counts the hooks of a run that still run."""

    def __init__(self, count: int, over: Callable[[], None]) -> None:
        self._count, self._over, self._lock = count, over, threading.Lock()

    def one_ended(self) -> None:
        with self._lock:
            self._count -= 1
            is_last = self._count == 0
        if is_last:
            self._over()


def _tell(process: subprocess.Popen[bytes], details: bytes) -> None:
    """Write the words to a hook, which need not read them. They fit into a pipe, so nobody waits."""
    if process.stdin:
        with suppress(OSError):
            process.stdin.write(details)
        with suppress(OSError):
            process.stdin.close()


def _wait(
    process: subprocess.Popen[bytes], limit_s: float, stop: threading.Event, meanwhile: Callable[[], None]
) -> str:
    """Wait for the end, or bring it about: SIGTERM at the limit, SIGKILL some seconds later, to the whole group.

    A shell ends at once by SIGTERM, the program that it waits for may still be saving: the group has the whole time.
    """
    deadline = time.monotonic() + limit_s
    why = ""
    while not why:
        meanwhile()
        with suppress(subprocess.TimeoutExpired):
            return _outcome(process.wait(_LOOK_EVERY_S))
        if stop.is_set():
            why = "was asked to end"
        elif time.monotonic() >= deadline:
            why = f"was too slow: asked to end after {limit_s:.0f} s"
    _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + KILL_AFTER_S
    while _has_group(process) and time.monotonic() < deadline:
        meanwhile()
        time.sleep(_LOOK_EVERY_S)
    if _has_group(process):
        why += ", killed"
        _signal(process, signal.SIGKILL)
    process.wait()
    return why


def _has_group(process: subprocess.Popen[bytes]) -> bool:
    """Whether the hook or anything that it started still runs; the hook itself counts until it is waited for."""
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _outcome(code: int) -> str:
    if code == 0:
        return OK
    return f"exit code {code}" if code > 0 else f"ended by signal {-code}"
