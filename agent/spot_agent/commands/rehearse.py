"""``rehearse``: a made-up eviction through every hook and phase. Nothing is evicted, and nobody is told.

The agent itself plays it, with a metadata service that shows a Preempt, in a state folder of its own. Hooks and units
are the real ones: the work is saved, stopped, and goes on by ``recover``. Hooks see ``SPOT_AGENT_REHEARSAL=1``.
A signal shortens it: the work must not be left stopped. A real notice ends it (``reality.py`` looks for one): what is
saved then must not be undone by our ``recover``.
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import uuid
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from spot_agent.commands.answers import CommandAnswer
from spot_agent.commands.reality import Reality, RehearsalRefusedError, alone
from spot_agent.deciding.documents import Document, EventType, ScheduledEvent
from spot_agent.deciding.heard import OK
from spot_agent.deciding.plans import ALL_BY_S, ESSENTIAL_BY_S
from spot_agent.deciding.state import Machine
from spot_agent.deciding.times import iso
from spot_agent.edges.hooks import find_hooks, running_folder
from spot_agent.edges.leftovers import end_leftovers
from spot_agent.edges.metadata import MetadataError, Token
from spot_agent.run import Outside, run

if TYPE_CHECKING:
    from spot_agent.configuration import Configuration
    from spot_agent.deciding.actions import Record

_NOTICE: Final = timedelta(seconds=30)
_VM: Final = Machine("rehearsal", "", "")


_FOLDERS: Final = ("preempt", "recover")
_END_HOOKS_EVERY_S: Final = 0.2
_PHASES: Final = frozenset({"stop-units", "start-units", "essential", "rest", "finished", "recover"})


class _Stage:
    """Plays the metadata service, and watches how far the agent is. ``came``: the real notice that ended the play."""

    def __init__(self, reality: Reality, state: Path) -> None:
        self._reality, self._state = reality, state
        self.came = ""
        self.has_ended = threading.Event()
        self._event = ScheduledEvent(
            id=f"rehearsal-{uuid.uuid4()}",
            type=EventType.PREEMPT,
            type_name=EventType.PREEMPT.value,
            is_started=False,
            not_before=datetime.now(timezone.utc) + _NOTICE,
            resources=(_VM.name,),
            source="User",
            duration_s=-1.0,
        )
        self._shown: tuple[ScheduledEvent, ...] = (self._event,)
        self._started = replace(self._event, is_started=True, not_before=None)
        self._is_short = self._is_recovering = self._is_over = False
        self.lines: list[Record] = []

    def events(self, within_s: float) -> Document:
        """Look at what is real before each answer: the last ones before ``recover`` begins, too."""
        del within_s
        came = "" if self._is_over or self.came else self._reality.notice()
        if came and not self.came:
            self.came = came
            threading.Thread(target=self._give_way, daemon=True).start()
        if self.came and not self._shown and not self._is_recovering:
            return Document((self._started,))  # shown on, lest it be over and recovered from
        return Document(self._shown)

    def machine(self) -> Machine:
        return _VM

    def acknowledge(self, event_id: str) -> None:
        raise MetadataError(event_id)

    def token(self, client_id: str) -> Token:
        raise MetadataError(client_id)

    def record(self, line: Record) -> None:
        """Go on as Azure would: the event starts when all is saved, and is gone after that."""
        self.lines.append(line)
        if self.came:
            return
        if line.phase == "finished" or (line.phase == "detected" and self._is_short):
            self._start()
        elif line.phase == "started":
            self._shown = ()
        elif line.phase == "recovering":
            self._is_recovering = True
        elif line.phase == "recover":
            self._is_over = True
            os.kill(os.getpid(), signal.SIGTERM)

    def is_end(self, number: int) -> bool:
        """Let the first signal only shorten the play: what was begun is ended, and the work recovered.

        A terminal that is closed may send SIGHUP more than once, and nobody there means to leave the work stopped.
        """
        if self._is_over or self.came:
            return True
        if self._is_short:
            return number != signal.SIGHUP
        self._is_short = True
        if self.lines:
            self._start()
        return False

    def _give_way(self) -> None:
        """Have the play end. Where an agent runs, it has our hooks' work to do; else what they are saving is saved."""
        os.kill(os.getpid(), signal.SIGTERM)
        while self._reality.is_in_hand and not self.has_ended.wait(_END_HOOKS_EVERY_S):
            end_leftovers(running_folder(self._state))

    def _start(self) -> None:
        if self._shown == (self._event,):
            self._shown = (self._started,)


def rehearse(configuration: Configuration) -> CommandAnswer:
    """Play it. Exit code 1 if a hook or a unit failed, if it did not fit, or if the work was not recovered.

    It is not begun while a real notice, a recovery or another rehearsal is under way. A real notice ends it.
    """
    if not configuration.units and not any(find_hooks(configuration.hooks, folder) for folder in _FOLDERS):
        says = f"There is nothing to rehearse: no hooks in {configuration.hooks} ({', '.join(_FOLDERS)}), and no units"
        return CommandAnswer(says, {"fits": False, "ended_by": None, "steps": []}, 1)
    try:
        with alone(configuration.hooks):
            return _play(configuration, Reality(configuration))
    except RehearsalRefusedError as error:
        return CommandAnswer(f"No rehearsal now: {error}", {"fits": False, "ended_by": str(error), "steps": []}, 1)


def _play(configuration: Configuration, reality: Reality) -> CommandAnswer:
    if under_way := reality.notice() or reality.recovery():
        raise RehearsalRefusedError(under_way)
    os.environ["SPOT_AGENT_REHEARSAL"] = "1"
    with tempfile.TemporaryDirectory(prefix="spot-agent-rehearsal-") as folder:
        played = replace(configuration, state=Path(folder), health_port=None, queue="")
        stage = _Stage(reality, played.state)
        try:
            run(played, Outside(stage, stage.record, lambda _line: None, stage.is_end))
        finally:
            stage.has_ended.set()
    return _answer(stage.lines, stage.came, is_in_hand=reality.is_in_hand)


def _answer(lines: list[Record], came: str = "", *, is_in_hand: bool = True) -> CommandAnswer:
    detected = next((line.at for line in lines if line.phase == "detected"), datetime.now(timezone.utc))
    told = [_step(line, detected) for line in lines if line.phase in _PHASES or line.phase.startswith("hook ")]
    is_recovered = any(line.phase == "recover" and line.outcome == OK for line in lines)
    is_fine = is_recovered and all(step["fits"] for step in told) and not came
    text = [f"{step['seconds']:6.1f} s  {step['phase']}: {step['outcome']}" for step in told]
    if came:
        text.append(f"The rehearsal was ended, without recover: {came}")
        text.append(_IN_HAND if is_in_hand else _NOT_IN_HAND)
    else:
        verdict = "everything fits" if is_fine else "NOT everything fits"
        text.append(f"{verdict}: what is essential has {ESSENTIAL_BY_S:.0f} s, all has {ALL_BY_S:.0f} s")
    if not is_recovered and not came:
        text.append("The work was NOT recovered: see to the hooks in recover/, and that the units run")
    data: dict[str, Any] = {"fits": is_fine, "ended_by": came or None, "steps": told}
    return CommandAnswer("\n".join(text), data, 0 if is_fine else 1)


_IN_HAND: Final = "The agent that runs here saves the work"
_NOT_IN_HAND: Final = "NO agent runs here: only what the rehearsal's hooks saved is saved, and nothing will recover it"


def _step(line: Record, detected: datetime) -> dict[str, Any]:
    seconds = (line.at - detected).total_seconds()
    is_ok = line.outcome.startswith(OK)
    fits = is_ok and (line.phase != "finished" or seconds <= ALL_BY_S)
    return {
        "at": iso(line.at),
        "phase": line.phase,
        "outcome": line.outcome,
        "seconds": round(seconds, 2),
        "fits": fits,
    }
