"""The VM: its metadata service, and the agent's process, which may die anywhere. Its disk and hooks: ``parts.py``.

Whatever the agent does is in ``deeds``, as seen from outside; tests and the soak judge by those.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Callable, Final

from spot_agent.agent import Agent
from spot_agent.deciding import step
from spot_agent.deciding.documents import UnreadableDocumentError, read_document
from spot_agent.deciding.heard import OK, DocumentRead, MachineRead, StopAsked, TimePassed
from spot_agent.deciding.memory import Settings
from spot_agent.deciding.state import Machine, read_state
from virtual_vm.parts import Deed, KilledError, VirtualDisk, VirtualHook, edges_of
from virtual_vm.virtual_time import VirtualTime

if TYPE_CHECKING:
    from spot_agent.deciding.heard import Heard

POLL_S: Final = 1.0
ANSWERS_IN_S: Final = 0.02
MACHINE: Final = Machine(
    "render-1",
    "02aab8a4-74ef-476e-8182-f6d2ba4166a6",
    "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg-spot"
    "/providers/Microsoft.Compute/virtualMachines/render-1",
    "1",
    "2",
)


def _refuse(mistake: str) -> None:
    """Fail: the real agent says a mistake and goes on; here it must not go unseen."""
    raise AssertionError(mistake)


class VirtualVm:
    """One VM. ``poll`` gives the metadata service's answer, ``None`` for none; tests replace it for faults."""

    def __init__(self, *, has_queue: bool = True, has_units: bool = False) -> None:
        """Make a VM that is up, in which no agent runs yet."""
        self.time = VirtualTime()
        self.disk = VirtualDisk()
        self.deeds: list[Deed] = []
        self.hooks: dict[str, list[VirtualHook]] = {}
        self.events: list[dict[str, Any]] = []
        self.machine: Machine | None = MACHINE
        self.is_queue_out = False
        self.units_outcome = OK
        self.acknowledge_outcome = OK
        self.poll: Callable[[], bytes | None] = self.document
        self.answers_in_s = ANSWERS_IN_S
        self.poll_every_s = POLL_S
        self.settings = Settings(has_units, has_queue)
        self.boot = 1
        self.agent: Agent | None = None
        self.dies_in: int | None = None
        self._run = 0
        self._booted_at = self.time.true_time()
        self._was_ready: bool | None = None

    def document(self) -> bytes:
        """Give the document as it is."""
        return json.dumps({"DocumentIncarnation": 1, "Events": self.events}).encode()

    def takes_work(self) -> bool:
        """Say what ``/health`` says; without an agent nobody answers."""
        return self.agent is not None and step.is_ready(self.agent.memory)

    def begin(self) -> None:
        """Start the agent's process."""
        self._run += 1
        disk, self.dies_in = self.disk, None
        memory = step.begin(
            read_state(disk.state) if disk.state else None,
            self.settings,
            self.time.now(),
            boot_id=f"boot-{self.boot}",
            run_id=f"run-{self._run}",
            booted_at=self._booted_at,
            alive_at=disk.alive_at,
            was_clean=disk.is_clean,
        )
        disk.is_clean = False
        self.agent = Agent(memory, edges_of(self, self._run), _refuse)
        self._was_ready = None
        self.note("began", f"run-{self._run}")
        self.say(self._run, TimePassed())
        self._identify_later(ANSWERS_IN_S)
        self._poll(self._run)

    def kill(self) -> None:
        """SIGKILL to the agent, or power loss: nothing of it runs on."""
        if self.agent is not None:
            self.note("killed")
            self.disk.alive_at = self.disk.alive_at if self.disk.is_full else self.time.now().wall
        self.agent = None

    def reboot(self) -> None:
        """Let the VM boot anew, and the agent with it."""
        self.kill()
        self.boot += 1
        self._booted_at = self.time.true_time()
        self.begin()

    def terminate(self) -> None:
        """SIGTERM to the agent."""
        self.say(self._run, StopAsked())

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.time.pass_until(self.time.seconds + seconds)

    def is_alive(self, run: int) -> bool:
        """Whether that process still runs."""
        return self.agent is not None and run == self._run

    def later(self, run: int, seconds: float, heard: Heard) -> None:
        """Let the agent hear something after a while."""
        self.time.after(seconds, lambda: self.say(run, heard))

    def unsent(self) -> list[str]:
        """Give the ids of the messages that are kept on disk."""
        return [one.id for one in read_state(self.disk.state).unsent] if self.disk.state else []

    def did(self, kind: str) -> list[str]:
        """Give what was done of a kind."""
        return [deed.what for deed in self.deeds if deed.kind == kind]

    def say(self, run: int, heard: Heard) -> None:
        """Let the agent hear something, if that process still lives."""
        if self.agent is None or run != self._run:
            return
        agent = self.agent
        try:
            agent.hear(heard)
        except KilledError:
            self.kill()
            return
        if self.takes_work() != self._was_ready:
            self._was_ready = self.takes_work()
            self.note("health", "200" if self._was_ready else "503")
        if agent.has_ended:
            self.note("ended")
            self.agent = None
            return
        due = agent.next_at()
        if due is not None:
            self.time.after(due - self.time.seconds, lambda: self.say(run, TimePassed()))

    def note(self, kind: str, what: str = "", more: Any = None) -> None:  # noqa: ANN401 - what a test looks at
        """Write down what happened."""
        self.deeds.append(Deed(self.time.seconds, kind, what, more))

    def _identify_later(self, seconds: float) -> None:
        run = self._run

        def identify() -> None:
            if not self.is_alive(run):
                return
            if self.machine:
                self.say(run, MachineRead(self.machine))
            else:
                self._identify_later(POLL_S)

        self.time.after(seconds, identify)

    def _poll(self, run: int) -> None:
        if self.agent is None or run != self._run:
            return
        asked_at, body = self.time.seconds, self.poll()
        took = POLL_S if body is None else self.answers_in_s
        if body is not None:
            self.time.after(took, lambda: self._read(run, asked_at, body))
        self.time.after(max(self.poll_every_s, took), lambda: self._poll(run))

    def _read(self, run: int, asked_at: float, body: bytes) -> None:
        try:
            document = read_document(body)
        except UnreadableDocumentError:
            return
        self.say(run, DocumentRead(document, asked_at))
