"""``run`` around parts that fail in ways that nobody thought of: the agent goes on, and the next eviction is seen."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from spot_agent.agent import Agent
from spot_agent.configuration import Configuration
from spot_agent.deciding.documents import Document, EventType, ScheduledEvent
from spot_agent.deciding.state import Message, State, read_state, write_state
from spot_agent.edges.clock import boot_id
from spot_agent.edges.metadata import MetadataError, Token
from spot_agent.edges.polling import Poller
from spot_agent.run import Outside, run
from virtual_vm.event import event
from virtual_vm.parts import edges_of
from virtual_vm.vm import MACHINE, VirtualVm

if TYPE_CHECKING:
    from pathlib import Path

    from spot_agent.deciding.actions import Record, RunHooks
    from spot_agent.deciding.state import Machine


class Flawed:
    """A metadata service whose client has a bug at first."""

    def __init__(self) -> None:
        """Nothing is asked yet."""
        self.asked = 0
        self.said: list[str] = []
        self.phases: list[str] = []

    def events(self, within_s: float) -> Document:
        """Fail three times, then show an eviction."""
        del within_s
        self.asked += 1
        if self.asked <= 3:
            raise ZeroDivisionError
        at = datetime.now(timezone.utc) + timedelta(seconds=30)
        shown = ScheduledEvent("E1", EventType.PREEMPT, "Preempt", False, at, (MACHINE.name,), "", -1.0)  # noqa: FBT003
        return Document((shown,))

    def machine(self) -> Machine:
        """Say who we are."""
        return MACHINE

    def acknowledge(self, event_id: str) -> None:
        """Take no acknowledgement."""
        raise MetadataError(event_id)

    def token(self, client_id: str) -> Token:
        """Give no token."""
        raise MetadataError(client_id)

    def record(self, line: Record) -> None:
        """Fail at the first line; end the agent when all is done."""
        self.phases.append(line.phase)
        if line.phase == "detected":
            raise ZeroDivisionError
        if line.phase == "finished":
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_mistake_of_ours_is_said_and_the_eviction_is_acted_upon(tmp_path: Path) -> None:
    """In a thread that asks, and amid what follows from an answer."""
    flawed = Flawed()
    configuration = Configuration(state=tmp_path / "state", hooks=tmp_path / "hooks")
    run(configuration, Outside(flawed, flawed.record, flawed.said.append))
    assert {"drained", "finished"} <= set(flawed.phases)
    mistakes = [line for line in flawed.said if line.startswith("a mistake in the agent")]
    assert any("ask_" in line for line in mistakes)
    assert any("Record is passed over" in line for line in mistakes)


@pytest.mark.parametrize("event", [{}, {"data": {}, "type": "SpotAgent.WorkloadReady"}])
def test_a_state_that_nothing_can_be_done_with_is_a_lost_one(tmp_path: Path, event: dict[str, Any]) -> None:
    """A message that is none shows itself when it is marked as late, or given up; said in a line, and all recovered."""
    unsent = (Message("M", datetime.now(timezone.utc) - timedelta(days=8), event),)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "state.json").write_text(write_state(State(boot_id(), "run", unsent=unsent)), "utf-8")
    flawed = Flawed()
    configuration = Configuration(
        state=tmp_path / "state", hooks=tmp_path / "hooks", queue="http://127.0.0.1:9/account/agents"
    )
    run(configuration, Outside(flawed, flawed.record, flawed.said.append))
    (said,) = [line for line in flawed.said if "cannot be used" in line]
    assert "\n" not in said
    assert read_state((tmp_path / "state" / "state.json").read_text("utf-8")).recovery  # after the eviction


class NoHooks:
    """An edge with a bug."""

    def run(self, action: RunHooks) -> None:
        """Fail."""
        raise ZeroDivisionError(action.run)

    def stop(self, run: str) -> None:
        """Fail."""
        raise ZeroDivisionError(run)


def test_an_edge_that_fails_keeps_no_other_from_its_work() -> None:
    """Hooks cannot be begun: units are stopped, the responder is told, and it is written down."""
    vm = VirtualVm(has_units=True)
    vm.begin()
    assert vm.agent is not None
    said: list[str] = []
    vm.agent = Agent(vm.agent.memory, replace(edges_of(vm, 1), hooks=NoHooks()), said.append)
    vm.events = [event(vm.time)]
    vm.wait(3)
    assert vm.did("units") == ["stop"]
    assert len(vm.did("told")) == 1
    assert "drained" in [line.phase for line in vm.disk.history]
    assert said[0].startswith("a mistake in the agent, RunHooks is passed over: ZeroDivisionError(")


def test_an_asker_that_hangs_is_not_taken_to_ask() -> None:
    """The watchdog is fed only while the agent asks: else systemd would keep one that sees nothing."""
    begun_at = time.monotonic()
    poller = Poller(Flawed(), lambda _heard: None, lambda _line: None)
    assert poller.is_asking(begun_at + 5.0)
    assert not poller.is_asking(begun_at + 15.0)
