"""Guests in the whole laptop Azure: with the app, a real queue, and a person who moves the world."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from aiohttp.test_utils import TestClient, TestServer

from localazure.demo.agent_scenario import NAME, RESUMED, SAVED, agent_command, agent_scenario
from localazure.demo.control import control_application
from localazure.demo.demo import outcome
from localazure.guests.queue_relay import Reach
from localazure.world.machines import PowerState
from tests.harness.operators_laptop import PATIENCE_S, TAG, OperatorsLaptop, operators_laptop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from localazure.guests.guest import Command, Guest, Place
    from localazure.laptop import Laptop

STAND_IN: Final = Path(__file__).with_name("stand_in_agent.py")


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorsLaptop]:
    """Start the laptop Azure once; each test has a VM of its own."""
    with operators_laptop(tmp_path_factory.mktemp("guests")) as running:
        yield running


def stand_in(place: Place) -> Command:
    """Give the agent's command, with the stand-in in the agent's place."""
    command = agent_command(place)
    assert command.arguments[:4] == (sys.executable, "-m", "spot_agent", "run")
    return replace(command, arguments=(sys.executable, str(STAND_IN), *command.arguments[4:]))


def until(azure: OperatorsLaptop, holds: Callable[[Laptop], bool], what: str) -> None:
    """Wait until something holds of the laptop."""
    end = time.monotonic() + PATIENCE_S
    while not azure.move(holds):
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.1)


def console(guest: Guest) -> str:
    """Give all that a guest printed."""
    return guest.console.read_text(encoding="utf-8") if guest.console.exists() else ""


def test_a_vm_that_is_told_saves_its_work_and_goes_on_with_it(azure: OperatorsLaptop) -> None:
    """Told in advance, saved, evicted, started by the app, and back where it was; the queue took what it told."""
    scenario = agent_scenario(8, stand_in)
    printed: list[str] = []
    azure.move(lambda laptop: laptop.guests.listen(lambda name, line: printed.append(f"{name}: {line}")))

    async def play() -> None:
        await scenario.play(azure.laptop, lambda _who, _what: None)

    azure.run(play())
    (player,) = scenario.players
    until(azure, lambda laptop: outcome(laptop, player) == player.end, f"the VM's restoration; {printed}")
    disk = azure.laptop.guests.installed[NAME].disk
    assert (disk / SAVED).read_text(encoding="utf-8") == (disk / RESUMED).read_text(encoding="utf-8")
    assert len(azure.laptop.world.machine(NAME).start_calls) <= player.most_starts
    order = ["work saved, 8 s before the end", "told SpotAgent.EvictionNotice: 201", "work goes on where it was saved"]
    assert [line for line in printed if line.partition(": ")[2] in order] == [f"{NAME}: {line}" for line in order]
    # 201: the queue has it; the app may have taken it by now.
    until(azure, lambda _laptop: f"{NAME}: told SpotAgent.WorkloadReady: 201" in printed, "its last word")


def test_a_vm_whose_work_does_not_go_on_is_not_restored_for_the_demo(azure: OperatorsLaptop) -> None:
    """Though it runs: a workload that is down must not look like one that is up."""
    (player,) = agent_scenario(8, stand_in).players
    disk = azure.laptop.guests.installed[NAME].disk
    (disk / RESUMED).rename(disk / "elsewhere")
    assert azure.move(lambda laptop: outcome(laptop, player)) == "started, but its work does not go on"
    (disk / "elsewhere").rename(disk / RESUMED)


def test_a_person_evicts_with_notice_while_the_queue_is_out(azure: OperatorsLaptop) -> None:
    """The VM is told and goes down at its time; its agent cannot tell anybody."""
    azure.move(lambda laptop: laptop.world.add_vm("vm-out", size="Standard_D32s_v5", tags=TAG))
    guest = azure.run(azure.laptop.guests.install("vm-out", stand_in))
    until(azure, lambda _laptop: guest.metadata.events_read_at is not None, "its first question")
    assert guest.relay is not None
    azure.loop.call_soon_threadsafe(guest.relay.let, Reach.REFUSED)
    assert ask(azure, "/evict/vm-out?notice=3") == (200, "vm-out is to be evicted: it is told 3 seconds before")
    assert guest.machine.power_state is PowerState.RUNNING
    until(azure, lambda _laptop: "not told SpotAgent.EvictionNotice" in console(guest), "what its agent could not tell")
    until(azure, lambda _laptop: guest.machine.power_state is PowerState.DEALLOCATED, "its eviction")
    until(azure, lambda _laptop: (guest.disk / RESUMED).exists(), f"its work: {console(guest)}")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/evict/vm-out?notice=soon", "there is no notice 'soon': give whole seconds (1 to 900)"),
        ("/stop/vm-out?notice=3", "only an eviction comes with notice"),
        ("/evict/nobody?notice=3", "no VM called 'nobody'"),
    ],
)
def test_what_cannot_be_announced_is_refused_in_a_line(azure: OperatorsLaptop, path: str, said: str) -> None:
    """409, and why."""
    status, text = ask(azure, path)
    assert status == 409
    assert said in text
    assert "\n" not in text


def ask(azure: OperatorsLaptop, path: str) -> tuple[int, str]:
    """Move the world as ``make evict`` does."""

    async def asked() -> tuple[int, str]:
        async with TestClient(TestServer(control_application(azure.laptop))) as client:
            answer = await client.post(path)
            return answer.status, await answer.text()

    return azure.run(asked())
