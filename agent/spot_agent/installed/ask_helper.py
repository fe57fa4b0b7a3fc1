"""The watcher's side of the helper: an ``Executor`` that has hooks run and units stopped by a service of root's.

systemd begins a helper for each connection. If it cannot, or the helper ends before its work, the agent hears so, as
of a hook or unit that failed.
"""

from __future__ import annotations

import json
import socket
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Final

from spot_agent.deciding.actions import RunHooks, StartUnits, StopUnits
from spot_agent.deciding.heard import OK, HookEnded, HooksOver, UnitsDone
from spot_agent.deciding.plans import KILL_AFTER_S
from spot_agent.edges.aside import begin_aside
from spot_agent.installed.helper_words import END, Begin, write_request
from spot_agent.run import Executor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from spot_agent.deciding.heard import Heard
    from spot_agent.installed.helper_words import Asked

_TAKES_WITHIN_S: Final = 2.0
"""systemd accepts at once, and the request fits into what the kernel keeps for the helper."""
_MORE_S: Final = 30.0
"""For a helper to begin and to end, beyond the limit that it keeps itself; a machine may be very busy."""
_UNITS_WITHIN_S: Final = 24.0


def by_helper(listens_at: Path, hear: Callable[[Heard], None], say: Callable[[str], None]) -> Executor:
    """Let the helper do it."""
    helper = _Helper(listens_at)
    return Executor(_HelperHooks(helper, hear), _HelperUnits(helper, hear), lambda: _end_leftovers(helper, say))


class _Helper:
    """Where it listens."""

    def __init__(self, listens_at: Path) -> None:
        self._listens_at = listens_at

    def ask(self, asked: Asked, within_s: float) -> socket.socket:
        """Ask; each answer may take ``within_s``. Raises ``OSError``."""
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(_TAKES_WITHIN_S)
            connection.connect(str(self._listens_at))
            connection.sendall(write_request(asked))
            connection.settimeout(within_s)
        except OSError:
            connection.close()
            raise
        return connection


def _answers(connection: socket.socket) -> Iterator[dict[str, Any]]:
    """Give what the helper says, until it is over. Raises ``OSError`` if it ends before that, or refuses."""
    with connection.makefile("r", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            answer = json.loads(line)
            if "refused" in answer:
                raise OSError(answer["refused"])
            yield answer
            if "over" in answer:
                return
    message = "it ended before its work was done (journalctl -u 'spot-agent-helper@*')"
    raise OSError(message)


def _trouble(error: Exception) -> str:
    return f"the helper cannot be used: {error}"


def _end_leftovers(helper: _Helper, say: Callable[[str], None]) -> int:
    try:
        with closing(helper.ask(Begin(), _MORE_S)) as connection:
            return sum(int(answer["over"]) for answer in _answers(connection))
    except (OSError, ValueError, KeyError) as error:
        say(f"{_trouble(error)}. Hooks will fail")
        return 0


class _HelperHooks:
    """Hooks, each run of them over a connection of its own."""

    def __init__(self, helper: _Helper, hear: Callable[[Heard], None]) -> None:
        self._helper, self._hear = helper, hear
        self._open: dict[str, socket.socket] = {}

    def run(self, action: RunHooks) -> None:
        try:
            connection = self._helper.ask(action, action.cap_s + KILL_AFTER_S + _MORE_S)
        except OSError as error:
            self._over(action.run, _trouble(error))
            return
        self._open[action.run] = connection
        if refused := begin_aside(self._follow, action.run, connection):
            self._over(action.run, refused)

    def stop(self, run: str) -> None:
        if connection := self._open.get(run):
            with suppress(OSError):
                connection.sendall(END)

    def _follow(self, run: str, connection: socket.socket) -> None:
        trouble = ""
        try:
            for answer in _answers(connection):
                if "hook" in answer:
                    heard = HookEnded(run, str(answer["hook"]), str(answer["outcome"]), float(answer["seconds"]))
                    self._hear(heard)
        except (OSError, ValueError, KeyError) as error:
            trouble = _trouble(error)
        self._over(run, trouble)

    def _over(self, run: str, trouble: str) -> None:
        if trouble:
            self._hear(HookEnded(run, "*", trouble, 0.0))
        if connection := self._open.pop(run, None):
            connection.close()
        self._hear(HooksOver(run))


class _HelperUnits:
    """Units, stopped or started over a connection each."""

    def __init__(self, helper: _Helper, hear: Callable[[Heard], None]) -> None:
        self._helper, self._hear = helper, hear

    def stop(self, run: str) -> None:
        self._begin(run, StopUnits(run))

    def start(self, run: str) -> None:
        self._begin(run, StartUnits(run))

    def _begin(self, run: str, asked: Asked) -> None:
        if refused := begin_aside(self._follow, run, asked):
            self._hear(UnitsDone(run, refused))

    def _follow(self, run: str, asked: Asked) -> None:
        outcome = OK
        try:
            with closing(self._helper.ask(asked, _UNITS_WITHIN_S + _MORE_S)) as connection:
                for answer in _answers(connection):
                    outcome = str(answer["over"])
        except (OSError, ValueError, KeyError) as error:
            outcome = _trouble(error)
        self._hear(UnitsDone(run, outcome))
