"""A drill in virtual time: what its operator reads meanwhile, and what becomes of it where nobody answers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from spot_responder.advised_command import CommandLine
from spot_responder.commands import drill
from spot_responder.commands.arguments import Parser
from spot_responder.commands.run import Operator
from spot_responder.intake.azure_errors import classify
from spot_responder.operators.ports import OperatorPorts
from spot_responder.responder.ports import AzureRefusedError, StoreFailedError
from spot_responder.terminal.results import StopError
from tests.operators.views.test_plan import VirtualFinder

if TYPE_CHECKING:
    from spot_responder.terminal.results import CommandResult
    from tests.harness.stories import NewAzure, StoryAzure

LATE = timedelta(minutes=3)
NOBODY = classify(None, "Cannot connect to host management.azure.com:443", {})


@dataclass
class Evicting:
    """ARM, asked to simulate evictions: it obeys after minutes, or does not answer."""

    azure: StoryAzure
    obeys: bool = True
    answers: bool = True

    async def ask(self, _method: str, path: str, _api_version: str) -> None:
        """Be asked."""
        name = path.split("/")[-2]
        if self.obeys:
            self.azure.world.schedule(LATE, lambda: self.azure.world.evict(name))
        if not self.answers:
            raise AzureRefusedError(NOBODY, f"POST {path}")


@dataclass
class DeadStore:
    """The tables, which fail once the drill is on its way."""

    azure: StoryAzure
    answers: int

    async def load(self, vm_id: Any) -> Any:  # noqa: ANN401 - as the store does
        """Load, as long as it goes."""
        self.answers -= 1
        if self.answers < 0:
            raise StoreFailedError(NOBODY, "load the row")
        return await self.azure.ports().store.load(vm_id)


@dataclass
class Drilling:
    """An operator who drills."""

    azure: StoryAzure
    management: Evicting
    store: DeadStore | None = None
    read: list[str] = field(default_factory=list)

    async def run(self, *words: str) -> CommandResult:
        """Run the command."""
        nowhere: Any = None
        management: Any = self.management
        app = self.azure.ports()
        ports = OperatorPorts(
            app if self.store is None else replace(app, store=self.store),  # type: ignore[arg-type]
            nowhere,
            VirtualFinder(self.azure),
            nowhere,
            management,
            nowhere,
        )
        operator = Operator(
            ports,
            self.azure.settings,
            self.azure.clock.now,
            lambda: "id",
            lambda _: None,
            self.read.append,
            CommandLine(),
        )
        parser = Parser()
        drill.add(parser.add_subparsers(parser_class=Parser))
        arguments = parser.parse_args(["drill", *words])
        answer: CommandResult = await arguments.run(arguments, operator)
        return answer


def test_azure_takes_its_time_to_evict_and_the_app_is_not_blamed_for_it(new_azure: NewAzure) -> None:
    """Asked at ten, evicted at three past: each step is told from the eviction on."""
    azure = new_azure()
    azure.add_vm()
    drilling = Drilling(azure, Evicting(azure))
    answer = azure.do(drilling.run("render-1"))
    assert answer.exit_code == 0
    assert drilling.read[0] == "render-1: Azure was asked to evict it"
    assert drilling.read[1:] == [
        "render-1: the app was told of the eviction, 1 s after the eviction",
        "render-1: the app asked for a start, 16 s after the eviction",
        "render-1: it runs again, 37 s after the eviction",
    ]
    (done,) = answer.content.vms  # type: ignore[attr-defined]
    assert done.evicted_at - done.asked_at == LATE


def test_a_request_without_an_answer_may_have_been_heard(new_azure: NewAzure) -> None:
    """The request for the eviction had no answer, and was done: the drill goes on, and passes."""
    azure = new_azure()
    azure.add_vm()
    assert azure.do(Drilling(azure, Evicting(azure, answers=False)).run("render-1")).exit_code == 0


def test_a_drill_that_nobody_heard_of_says_so_at_its_end(new_azure: NewAzure) -> None:
    """ARM is out of reach: that is why, and not the app."""
    azure = new_azure()
    azure.add_vm()
    drilling = Drilling(azure, Evicting(azure, obeys=False, answers=False))
    answer = azure.do(drilling.run("render-1", "--minutes", "1"))
    assert answer.exit_code == 1
    (failed,) = answer.content.vms  # type: ignore[attr-defined]
    assert "Cannot connect to host management.azure.com:443" in failed.reason


def test_a_drill_that_could_not_look_says_so_at_its_end(new_azure: NewAzure) -> None:
    """Storage failed at every look: nothing is known of the app."""
    azure = new_azure()
    vm = azure.add_vm()
    drilling = Drilling(azure, Evicting(azure), DeadStore(azure, answers=2))
    answer = azure.do(drilling.run(vm.vm_id, "--minutes", "1"))
    assert answer.exit_code == 1
    (failed,) = answer.content.vms  # type: ignore[attr-defined]
    assert failed.unseen.startswith("Storage failed to load the row: NoAnswer")
    assert drilling.read[1:] == [f"render-1: looked at in vain, and once more each second: {failed.unseen}"]


def test_a_drill_that_is_interrupted_says_what_goes_on(new_azure: NewAzure) -> None:
    """Ctrl-C ends the watching, and not the eviction."""
    azure = new_azure()
    azure.add_vm()
    drilling = Drilling(azure, Evicting(azure))

    async def interrupted() -> None:
        watching = asyncio.create_task(drilling.run("render-1"))
        await asyncio.sleep(30)
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching

    azure.do(interrupted())
    assert drilling.read[-1] == "the app goes on without this command; how it goes: .venv/bin/spot-responder status"


def test_what_is_advised_names_the_vm_as_its_operator_did(new_azure: NewAzure) -> None:
    """By its id, where it was named by that: another one may have its name."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(azure.now + timedelta(seconds=20))
    with pytest.raises(StopError, match=f"already: .venv/bin/spot-responder explain {vm.vm_id}"):
        azure.do(Drilling(azure, Evicting(azure)).run(vm.vm_id))
