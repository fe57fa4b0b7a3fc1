"""The systemd units that the configuration names: stopped before the VM goes, started when the work is to go on."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spot_agent.deciding.heard import OK, UnitsDone
from spot_agent.edges.aside import begin_aside, outcome_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from spot_agent.deciding.heard import Heard

_WITHIN_S: Final = 24.0
"""A unit that takes longer to stop is left to its end: its own ``TimeoutStopSec`` is 90 seconds by default."""
_RUNS_SYSTEMD: Final = Path("/run/systemd/system")


def has_systemd() -> bool:
    """Whether there is a systemd that could stop units."""
    return _RUNS_SYSTEMD.is_dir() and shutil.which("systemctl") is not None


def units_not_loaded(names: tuple[str, ...], command: str = "systemctl") -> tuple[str, ...]:
    """Say of each unit that systemd could not stop or start what is wrong with it."""
    found = ((name, _load_state(name, command)) for name in names)
    return tuple(f"{name} is {state}" for name, state in found if state != "loaded")


def _load_state(name: str, command: str) -> str:
    words = [command, "show", "-p", "LoadState", "--", name]
    try:
        done = subprocess.run(  # noqa: S603 - words, no shell
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_WITHIN_S, check=False
        )
    except (subprocess.TimeoutExpired, OSError) as error:
        return f"not known: {error}"
    said = done.stdout.decode("utf-8", "replace").strip()
    return said.partition("=")[2] or f"not known: systemctl answers {said!r}"


class Units:
    """The units. What becomes of them is heard by the agent."""

    def __init__(self, names: tuple[str, ...], hear: Callable[[Heard], None], command: str = "systemctl") -> None:
        """``names``: with their suffix, like ``worker.service``."""
        self._names, self._hear, self._command = names, hear, command

    def stop(self, run: str) -> None:
        """Stop them, all at once."""
        self._begin(run, "stop")

    def start(self, run: str) -> None:
        """Start them, all at once."""
        self._begin(run, "start")

    def _begin(self, run: str, verb: str) -> None:
        if refused := begin_aside(self._do_and_tell, run, verb):
            self._hear(UnitsDone(run, f"systemctl {verb} {refused}"))

    def _do_and_tell(self, run: str, verb: str) -> None:
        self._hear(UnitsDone(run, outcome_of(lambda: self._do(verb))))

    def _do(self, verb: str) -> str:
        words = [self._command, verb, "--", *self._names]
        try:
            done = subprocess.run(  # noqa: S603 - words, no shell
                words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_WITHIN_S, check=False
            )
        except subprocess.TimeoutExpired:
            return f"systemctl {verb} did not end within {_WITHIN_S:.0f} s"
        except OSError as error:
            return f"{self._command} cannot be run: {error.strerror}"
        last = (done.stderr.decode("utf-8", "replace").strip().splitlines() or [""])[-1][:200]
        return OK if done.returncode == 0 else f"systemctl {verb} failed with {done.returncode}: {last}"
