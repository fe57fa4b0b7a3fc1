"""The helper: begun by systemd as root for one connection, it does the one thing that it is asked, and ends.

It takes requests from the watcher's user only, as the kernel names it. What it runs stands in files that only root may
write: hooks, and a configuration that is kept when a watcher begins, so that a typing error made since does not keep
an eviction from being acted upon. It goes on to the end though the watcher be gone, like a hook in the foreground.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import struct
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from spot_agent.configuration import ConfigurationError
from spot_agent.deciding.actions import RunHooks, StartUnits, StopUnits
from spot_agent.deciding.heard import HookEnded, HooksOver, UnitsDone
from spot_agent.edges.hooks import HookRunner, refusal_anywhere, running_folder
from spot_agent.edges.leftovers import end_leftovers
from spot_agent.edges.units import Units
from spot_agent.installed.account import find_user
from spot_agent.installed.helper_words import END, LONGEST_REQUEST, RUN, Begin, RefusedError, read_request
from spot_agent.installed.places import Places, read_installed

if TYPE_CHECKING:
    from spot_agent.configuration import Configuration
    from spot_agent.deciding.heard import Heard
    from spot_agent.installed.helper_words import Asked

_ASKS_WITHIN_S: Final = 10.0
_CREDENTIALS: Final = "3i"
"""Process, user and group of who connected: ``struct ucred`` of unix(7)."""


def help_once(connection: socket.socket, places: Places, watcher: int) -> int:
    """Serve a connection. ``watcher``: the user that may ask. Give the exit code; a refusal is said to both sides."""
    try:
        line = _read_line(connection)
        _check_peer(connection, watcher)
        asked = read_request(line)
        _do(connection, asked, places)
    except (RefusedError, ConfigurationError, OSError) as error:
        sys.stderr.write(f"refused: {error}\n")
        _answer(connection, {"refused": str(error)})
        return 1
    return 0


def _check_peer(connection: socket.socket, watcher: int) -> None:
    size = struct.calcsize(_CREDENTIALS)
    _pid, user, _group = struct.unpack(_CREDENTIALS, connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    if user != watcher:
        message = f"user {user} may not ask"
        raise RefusedError(message)


def _read_line(connection: socket.socket) -> bytes:
    connection.settimeout(_ASKS_WITHIN_S)
    line = b""
    while not line.endswith(b"\n"):
        more = connection.recv(65536)
        line += more
        if not more or len(line) > LONGEST_REQUEST:
            message = "the request has no end"
            raise RefusedError(message)
    connection.settimeout(None)
    return line


def _do(connection: socket.socket, asked: Asked, places: Places) -> None:
    if isinstance(asked, Begin):
        _begin(connection, places)
    elif isinstance(asked, RunHooks):
        _run_hooks(connection, asked, places)
    else:
        _change_units(connection, asked, places)


def _run_hooks(connection: socket.socket, asked: RunHooks, places: Places) -> None:
    configuration = _kept_configuration(places)
    if _is_gone(connection):
        return
    # A stop is for the watcher, which waits for us. A handler, since hooks would inherit that a signal is ignored.
    signal.signal(signal.SIGTERM, lambda *_signal: None)
    inbox: queue.SimpleQueue[Heard] = queue.SimpleQueue()
    hooks = HookRunner(configuration.hooks, places.helper_state, configuration.hook_settings, inbox.put)
    hooks.run(asked)
    threading.Thread(target=_hear_end, args=(connection, hooks), daemon=True).start()
    _tell_hooks(connection, inbox)


def _change_units(connection: socket.socket, asked: StopUnits | StartUnits, places: Places) -> None:
    inbox: queue.SimpleQueue[Heard] = queue.SimpleQueue()
    units = Units(_kept_configuration(places).units, inbox.put)
    change = units.stop if isinstance(asked, StopUnits) else units.start
    change(asked.run)
    done = inbox.get()
    if isinstance(done, UnitsDone):
        _answer(connection, {"over": done.outcome})


def _begin(connection: socket.socket, places: Places) -> None:
    """End what is left over, and keep the configuration; where the disk takes no copy, the file itself is read."""
    if refused := refusal_anywhere(places.configuration):
        raise RefusedError(refused)
    read_installed(places.configuration, places)
    count = end_leftovers(running_folder(places.helper_state))
    kept = places.kept_configuration
    try:
        places.helper_state.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = kept.with_name(kept.name + ".new")
        new.write_bytes(places.configuration.read_bytes())
        new.replace(kept)
    except OSError as error:
        sys.stderr.write(f"{kept} cannot be written: {error.strerror}\n")
        with suppress(OSError):
            kept.unlink()
    _answer(connection, {"over": count})


def _kept_configuration(places: Places) -> Configuration:
    kept = places.kept_configuration
    if kept.exists():
        return read_installed(kept, places)
    if refused := refusal_anywhere(places.configuration):
        raise RefusedError(refused)
    return read_installed(places.configuration, places)


def _is_gone(connection: socket.socket) -> bool:
    """Whether the watcher has ended since: the next one asks anew, and two must not save at once."""
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False


def _hear_end(connection: socket.socket, hooks: HookRunner) -> None:
    with suppress(OSError):
        if connection.recv(len(END), socket.MSG_WAITALL) == END:
            hooks.stop(RUN)


def _tell_hooks(connection: socket.socket, inbox: queue.SimpleQueue[Heard]) -> None:
    while True:
        heard = inbox.get()
        if isinstance(heard, HookEnded):
            _answer(connection, {"hook": heard.hook, "outcome": heard.outcome, "seconds": heard.seconds})
        elif isinstance(heard, HooksOver):
            _answer(connection, {"over": "hooks"})
            return


def _answer(connection: socket.socket, answer: dict[str, Any]) -> None:
    """Tell the watcher. If it is gone, nobody needs to know."""
    with suppress(OSError):
        connection.sendall(json.dumps(answer).encode() + b"\n")


def main() -> int:
    """Serve the connection that systemd put on standard input; give the exit code."""
    user = find_user()
    if user is None:
        sys.stderr.write("there is no user spot-agent, who alone may ask\n")
        return 1
    try:
        connection = socket.socket(fileno=os.dup(0))
    except OSError:
        sys.stderr.write("the helper is begun by systemd, with a connection on its standard input\n")
        return 1
    return help_once(connection, Places(), user.pw_uid)
