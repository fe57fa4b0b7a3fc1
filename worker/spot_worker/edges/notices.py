"""What is announced about this VM: by the agent where one runs, else by the metadata service itself.

The service counts requests of the whole VM: several workers beside an agent must not all ask it each second.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Callable, Final

from spot_agent.deciding.heard import DocumentRead, MachineRead
from spot_agent.deciding.state import State, UnreadableStateError, read_state
from spot_agent.deciding.times import Now, read_time
from spot_agent.edges.clock import boot_id
from spot_agent.edges.disk import read_alive
from spot_agent.edges.metadata import MetadataError, MetadataService
from spot_agent.edges.polling import Poller

from spot_worker.deciding.stops.notices import in_agents_state, in_document, passed_at_start
from spot_worker.edges.azure_errors import Threads

if TYPE_CHECKING:
    from pathlib import Path

    from spot_agent.deciding.heard import Heard

    from spot_worker.deciding.stops.stop_notice import Notice

_AGENT_SILENT_S: Final = 25.0
"""It says each 10 seconds that it lives."""
_FIRST_WITHIN_S: Final = 1.0
"""Without an answer work begins all the same; the service is asked further."""


def _what_to_do(folder: Path, error: Exception) -> str:
    if isinstance(error, PermissionError):
        return (
            f"what the agent knows cannot be read: {error}. Upgrade the agent and restart it, or let this user read "
            f"{folder}"
        )
    return f"what the agent knows cannot be read: {error}"


class VmNotices:
    """What is announced. ``vm``: the VM's name, once ``begin`` is over."""

    def __init__(self, imds: str, agent_state: Path, say: Callable[[str, str], None]) -> None:
        """Nothing is asked yet. ``say`` is told, as event and text, whom we hear and what is wrong with it."""
        self._metadata, self._agent_state, self._say = MetadataService(imds), agent_state, say
        self._threads = Threads("notices", 2)
        self._boot_id = boot_id()
        self._read: DocumentRead | None = None
        self._passed: frozenset[str] = frozenset()
        self._name: str | None = None
        self._has_ended = threading.Event()
        self._asks = False
        self._heard = ""
        self.vm = socket.gethostname()

    async def begin(self) -> None:
        """Learn what is announced already, and how the VM is called, if anybody says so within seconds."""
        await self._threads.call("to read the notices", self._begin)

    async def pending(self) -> Notice | None:
        """Say what is going to happen to the VM, if anything is known."""
        return await self._threads.call("to read the notices", self._pending)

    def _begin(self) -> None:
        state = self._agents_word()
        if state is not None:
            self._name = state.machine.name if state.machine else None
        else:
            self._ask_first()
        self.vm = self._name or self.vm

    def _ask_first(self) -> None:
        asked_at = time.monotonic()
        try:
            document = self._metadata.events(_FIRST_WITHIN_S)
            self._hear(DocumentRead(document, asked_at))
            self._passed = passed_at_start(document)
            self._hear(MachineRead(self._metadata.machine(_FIRST_WITHIN_S)))
        except MetadataError:
            return  # the poller asks on, and says what is wrong

    def _pending(self) -> Notice | None:
        now = Now(datetime.now(timezone.utc), time.monotonic())
        state = self._agents_word()
        if state is not None:
            self._ask_no_more()
            return in_agents_state(state, self._boot_id, now)
        self._ask_from_now_on()
        return in_document(self._read.document, self._name, self._passed, now) if self._read else None

    def _agents_word(self) -> State | None:
        """Read what the agent knows; ``None`` where no agent runs, or none that we can read."""
        found, why = None, "no agent runs here"
        try:
            text = (self._agent_state / "state.json").read_text("utf-8")
            if self._agent_lives():
                found = read_state(text)
        except FileNotFoundError:
            pass  # there never was one
        except (OSError, UnreadableStateError) as error:
            why = _what_to_do(self._agent_state, error)
        self._tell_source("heard from the agent" if found else f"asked of the metadata service, since {why}")
        return found

    def _tell_source(self, source: str) -> None:
        if source != self._heard:
            self._heard = source
            self._say("notices", source)

    def _agent_lives(self) -> bool:
        """Whether the agent has said so of late, and its process is there: of one that died nothing more is heard."""
        alive = read_alive(self._agent_state) or {}
        pid, now = alive.get("pid"), datetime.now(timezone.utc)
        if not isinstance(pid, int) or abs((now - read_time(alive["at"])).total_seconds()) > _AGENT_SILENT_S:
            return False
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, OverflowError):
            return False  # the second one is for what can be no process's number
        except PermissionError:
            return True  # it is somebody else's
        return True

    def _ask_from_now_on(self) -> None:
        if self._asks:
            return
        self._asks = True
        poller = Poller(self._metadata, self._hear, lambda line: self._say("metadata service", line))
        for ask in (poller.ask_patiently, poller.ask_quickly, poller.ask_who_we_are):
            threading.Thread(target=ask, args=(self._has_ended,), daemon=True).start()

    def _ask_no_more(self) -> None:
        """Leave the asking to the agent, which may have begun after us. What we heard ourselves grows old by then."""
        if self._asks:
            self._has_ended.set()
            self._has_ended, self._asks, self._read = threading.Event(), False, None

    def _hear(self, heard: Heard) -> None:
        if isinstance(heard, MachineRead):
            self._name = heard.machine.name
        elif isinstance(heard, DocumentRead) and (self._read is None or heard.asked_at >= self._read.asked_at):
            self._read = heard
