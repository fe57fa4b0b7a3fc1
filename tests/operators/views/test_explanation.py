"""What ``explain`` says of a VM that runs, is down, or is on its way: the real responder, a world in virtual time."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from localazure.virtual.compute import ARM
from localazure.world.happenings import ActionSucceeded
from localazure.world.world import OWNER, SUBSCRIPTION
from spot_responder.commands.explain import render
from spot_responder.decisions.decide import decide
from spot_responder.intake.own_messages import work_waits_event
from spot_responder.intake.vms import PowerState, VmId
from spot_responder.operators.act import hold, retry
from spot_responder.operators.views.explanation import explain
from spot_responder.terminal.console import Console
from tests.harness.makers import TEN, accepted, asking, at, evicted, situation, spot_vm
from tests.harness.stories import annotated
from tests.operators.views.explained import explained

if TYPE_CHECKING:
    from tests.harness.stories import NewAzure

PATIENT = timedelta(days=30)


def test_a_vm_that_runs(new_azure: NewAzure) -> None:
    """Nothing happened to it."""
    azure = new_azure()
    azure.add_vm()
    said = explained(azure)
    assert said.headline == "render-1 runs: all is well"
    assert (said.covered, said.why_not, said.needs_you) == (True, "", False)
    assert said.next.what == "nothing, until Azure evicts it"
    assert (said.evidence, said.tried, said.advice) == ((), (), ())
    assert str(said.pool) == "standard_d2s_v5 in westeurope"


def test_scenario_1_evicted_and_back(new_azure: NewAzure) -> None:
    """It came back at 10:00:37: by whom it was told, how long it took, how often today."""
    azure = new_azure()
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    said = explained(azure)
    assert said.headline == "render-1 runs: all is well"
    assert said.last_recovery is not None
    assert said.last_recovery.what == "restored: it runs again, 37 s after it went down, 1 start request"
    assert (said.restarts_today, said.restarts_allowed) == (1, 10)
    assert [told.what for told in said.evidence] == [
        "what was told up to then is over: it is known to have run later",
        "our own start request",
        "Resource Health: our start began",
        "its newest health annotation: VirtualMachineAllocated",
    ]


def test_while_it_goes_down(new_azure: NewAzure) -> None:
    """Told, and still deallocating."""
    azure = new_azure()
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:00:05"))
    said = explained(azure)
    assert said.headline == (
        "render-1 is going down, evicted by Azure: it is still deallocating: it can be started when that is over"
    )
    assert said.tried == ("no start was asked for yet",)
    assert said.next.what == "it is looked at again"
    assert said.next.at == at("10:00:16")


def test_while_it_comes_up(new_azure: NewAzure) -> None:
    """A start was accepted; it isn't called running."""
    azure = new_azure()
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:00:20"))
    said = explained(azure)
    assert said.headline == "render-1 is coming up: it is starting"
    assert said.tried == ("1 start request; the latest is under way: Azure works on it",)
    assert said.next.at == at("10:00:38") + timedelta(seconds=0.5)


def test_scenario_3_no_event_and_no_sweep_yet(new_azure: NewAzure) -> None:
    """The row knows nothing; Azure does: the sweep will find it."""
    azure = new_azure()
    azure.add_vm()
    azure.script.lost = lambda _: True
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    said = explained(azure)
    assert said.headline == "render-1 is down, evicted by Azure: it is about to be started"
    assert said.next.what == (
        "no event told the app of it yet: one may be on its way, and the next sweep finds it "
        "(every 15 minutes, or as SWEEP_SCHEDULE says)"
    )
    assert said.next.at is None
    assert [told.what for told in said.evidence] == [
        "Azure evicted it",
        "its newest health annotation: VirtualMachinePreempted",
    ]


def test_scenario_3_no_event_and_the_sweep_has_found_it(new_azure: NewAzure) -> None:
    """Who told the app, and who did not."""
    azure = new_azure()
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.script.lost = lambda _: True
    azure.world.evict("render-1")
    azure.run_until(at("10:20"))
    said = explained(azure)
    assert "the app's sweep found it: no event had told of it" in [told.what for told in said.evidence]


def test_an_operator_asked_before_anybody_else_told(new_azure: NewAzure) -> None:
    """That is how the app came to it."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.script.lost = lambda _: True
    azure.world.evict("render-1")
    azure.run_until(at("10:02"))
    azure.do(retry(azure.ports().queue, VmId.parse(vm.vm_id), azure.now, lambda: "ask-1"))
    azure.run_until(at("10:05"))
    assert "the app looked at it, as an operator asked for" in [told.what for told in explained(azure).evidence]


def test_a_work_queue_asked_before_anybody_else_told(new_azure: NewAzure) -> None:
    """That is how the app came to it."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.script.lost = lambda _: True
    azure.world.evict("render-1")
    azure.run_until(at("10:02"))
    asked = work_waits_event(VmId.parse(vm.vm_id), azure.now, "work-1")
    azure.do(azure.ports().queue.put(asked, timedelta()))
    azure.run_until(at("10:05"))
    assert "its work queue asked for it" in [told.what for told in explained(azure).evidence]


def test_scenario_4_told_many_times_is_one_story(new_azure: NewAzure) -> None:
    """The same eviction told by three events: one time of eviction, one start."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.evict("render-1")
    evict = "Microsoft.Compute/virtualMachines/evictSpotVM/action"
    azure.world.tell(ActionSucceeded(vm.vm_id, azure.world.now, evict, caller=""))
    azure.run_until(at("10:00:20"))
    said = explained(azure)
    assert [told.what for told in said.evidence].count("Azure evicted it") == 1
    assert [told.what for told in said.evidence].count("the app heard of it, by an event") == 1
    assert said.tried == ("1 start request; the latest is under way: Azure works on it",)


def test_scenario_5_stopped_by_its_owner(new_azure: NewAzure) -> None:
    """Who it was is in the Activity Log, which is asked with one command."""
    azure = new_azure()
    azure.add_vm()
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:05"))
    said = explained(azure)
    assert said.headline.startswith("render-1 is down: its owner stopped it at 2026-03-02 10:00:")
    assert said.next.what == "nothing: it stays as it is until somebody starts it"
    assert "an ARM event: somebody stopped it" in [told.what for told in said.evidence]
    assert said.last_recovery is None
    who, start = said.advice
    assert who.startswith("who it was: az monitor activity-log list --resource-id /subscriptions/")
    assert start.startswith("to have it up: az vm start --ids /subscriptions/")


def test_scenario_6_the_graph_is_behind(new_azure: NewAzure) -> None:
    """Resource Graph says that it runs; ARM says that it is going down: ARM is believed."""
    azure = new_azure()
    azure.script.lag = timedelta(minutes=5)
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:00:05"))
    assert explained(azure).power_state is PowerState.DEALLOCATING


def test_held_and_down(new_azure: NewAzure) -> None:
    """An operator's pause, and the command that ends it."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.do(hold(azure.ports().store, VmId.parse(vm.vm_id), azure.now, lambda: "hold-1"))
    azure.run_until(at("10:01"))
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    said = explained(azure)
    assert said.headline == (
        "render-1 is down, evicted by Azure: an operator holds it since 2026-03-02 10:00:00Z: not started"
    )
    assert said.held_at == at("10:00")
    assert said.next.what.startswith("nothing until it is released")
    assert said.advice == ("to end the hold: .venv/bin/spot-responder release render-1",)
    assert said.last_recovery is None


def test_held_and_running(new_azure: NewAzure) -> None:
    """It runs; should it be evicted, it stays down."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.do(hold(azure.ports().store, VmId.parse(vm.vm_id), azure.now, lambda: "hold-1"))
    assert explained(azure).headline == "render-1 runs: held by an operator, should it be evicted"


def test_dry_run(new_azure: NewAzure) -> None:
    """It is down, it would be started, and it is not."""
    azure = new_azure(dry_run=True)
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    said = explained(azure)
    assert said.headline == "render-1 is down, evicted by Azure: it would be started now, were DRY_RUN not true"
    assert said.next.what == "the next sweep finds it, and starts nothing: DRY_RUN is true"
    assert said.dry_run


def test_gone(new_azure: NewAzure) -> None:
    """Deleted: what was, and where to look."""
    azure = new_azure()
    azure.add_vm()
    azure.world.delete("render-1")
    said = explained(azure)
    assert said.headline == "render-1: Azure has no such VM, or does not show it to you"
    assert said.needs_you
    assert said.next.what == "nothing"
    assert said.advice == (
        f"is it there, and may you see it? az resource list --name render-1 --subscription {SUBSCRIPTION}",
    )


def test_shut_down_from_inside(new_azure: NewAzure) -> None:
    """It is not deallocated: no eviction, and not ours."""
    azure = new_azure()
    azure.add_vm(power_state="stopped")
    said = explained(azure)
    assert said.headline == ("render-1 is stopped: stopped but not deallocated: it was shut down from inside")
    assert said.covered


def test_the_app_does_not_run(new_azure: NewAzure) -> None:
    """The look was due ten minutes ago: said, and why that may be."""
    azure = new_azure(sweep_every=PATIENT)
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:00:10"))
    azure.app.clear_messages()
    azure.run_until(at("10:10"))
    said = explained(azure)
    assert said.needs_you
    assert said.headline == (
        "render-1 is down, evicted by Azure: "
        "the app does not run, may not look, or lost a message: the look that was due did not happen"
    )
    assert (said.next.what, said.next.at) == ("the next sweep takes it up, if the app runs and may look", None)


def test_an_explanation_never_carries_an_operations_address(new_azure: NewAzure) -> None:
    """It is a secret: it is in the row, and in nothing that is shown."""
    azure = new_azure()
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:00:20"))
    attempt = azure.recovery().attempt
    assert attempt is not None
    address = str(attempt.operation_url)
    assert address.startswith(f"{ARM}/")
    assert "?s=signature" in address
    said = str(dataclasses.asdict(explained(azure)))
    assert ARM not in said
    assert "s=signature" not in said


def test_between_two_looks_the_start_is_announced(new_azure: NewAzure) -> None:
    """It is deallocated since half a second, and the app looks in another half."""
    azure = new_azure()
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:00:15") + timedelta(seconds=0.5))
    said = explained(azure)
    assert said.headline == "render-1 is down, evicted by Azure: it is about to be started"
    assert (said.next.what, said.next.at) == ("a start is asked for", at("10:00:16"))


def test_before_tells_how_the_last_recovery_ended_and_how_often_it_came_back(new_azure: NewAzure) -> None:
    """On paper, under its own heading."""
    azure = new_azure()
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    lines = render(explained(azure), Console(azure.now, UTC)).splitlines()
    before = lines.index("before")
    assert lines[before + 1] == "  10:00:37  restored: it runs again, 37 s after it went down, 1 start request"
    assert lines[before + 2] == "  came back 1 time within a day; 10 are allowed"


def test_what_comes_next_and_is_due_comes_now(new_azure: NewAzure) -> None:
    """A second late is no story of its own."""
    azure = new_azure()
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:00:20"))
    said = explained(azure)
    assert said.next.at is not None
    due = replace(said, at=said.next.at)
    lines = render(due, Console(due.at, UTC)).splitlines()
    assert lines[lines.index("next") + 1] == "  it is looked at again, now"


def test_a_deallocation_told_with_the_eviction_is_taken_as_a_part_of_it(new_azure: NewAzure) -> None:
    """Nobody knows whether Azure annotates an eviction so, too; it is said how it is taken."""
    azure = new_azure()
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:00:08"))
    azure.handle(annotated("render-1", "VirtualMachineDeallocationInitiated", at("10:00:05")))
    whats = [each.what for each in explained(azure).evidence]
    assert "Resource Health: a stop was asked for (taken as a part of the eviction)" in whats


def test_a_vm_that_runs_again_after_its_owners_stop_is_given_no_advice(new_azure: NewAzure) -> None:
    """It is up, though neither an event nor Resource Graph told so yet: nothing is to be had up."""
    azure = new_azure()
    azure.add_vm()
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:01"))
    assert len(explained(azure).advice) == 2
    azure.script.lost, azure.script.lag = (lambda _: True), timedelta(minutes=2)
    azure.world.start(azure.world.machine("render-1"), OWNER)
    azure.run_until(at("10:02"))
    said = explained(azure)
    assert (said.power_state, said.advice) == (PowerState.RUNNING, ())


def test_a_start_by_somebody_else_is_told_as_theirs(new_azure: NewAzure) -> None:
    """We asked for none."""
    azure = new_azure()
    azure.add_vm()
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:01"))
    azure.handle(annotated("render-1", "VirtualMachineStartInitiatedByControlPlane", at("10:00:50")))
    whats = [each.what for each in explained(azure).evidence]
    assert "Resource Health: somebody began to start it" in whats


def test_the_apps_own_start_of_an_earlier_recovery_is_not_somebody_elses(new_azure: NewAzure) -> None:
    """Restored by us at ten: at noon, and two days later, when its row is forgotten, the start is still called ours."""
    azure = new_azure()
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("12:00"))
    assert "Resource Health: our start began" in [each.what for each in explained(azure).evidence]
    azure.run_until(TEN + timedelta(days=2))
    assert azure.do(azure.ports().store.all_recoveries()) == []
    whats = [each.what for each in explained(azure).evidence]
    assert "Resource Health: our start began" in whats
    assert not [what for what in whats if "somebody" in what]


def test_a_start_that_nobody_here_remembers_is_nobodys(new_azure: NewAzure) -> None:
    """Days ago, and no row of that time is left: it is not known that it was not us."""
    azure = new_azure()
    azure.add_vm(power_state="deallocated")
    azure.script.lost = lambda _: True
    azure.world.start(azure.world.machine("render-1"), OWNER)
    azure.run_until(TEN + timedelta(days=2))
    whats = [each.what for each in explained(azure).evidence]
    assert "Resource Health: a start of it began, ours or another's: it is not known here any more" in whats


def test_a_start_whose_answer_is_not_known_is_not_called_accepted(new_azure: NewAzure) -> None:
    """We died, or the network did, between request and answer; and an accepted one is not said to be worked on."""
    azure = new_azure()
    policy, now = azure.settings.policy, at("10:00:20")
    for row, known in ((asking(), "its answer is not known yet"), (accepted(), "Azure accepted it")):
        seen = situation(evicted(), spot_vm(), row)
        said = explain(seen, decide(seen, policy, now, 0.5), policy, now)
        assert said.tried == (f"1 start request; the latest is under way: {known}",)
