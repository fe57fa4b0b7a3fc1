"""What ``explain`` says, for all that may befall a VM: the real responder, a world with a virtual clock."""

from __future__ import annotations

import dataclasses
import shlex
from dataclasses import replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

import pytest

from localazure.demo.scenarios import SKU_NOT_AVAILABLE
from localazure.virtual.compute import ARM
from localazure.virtual.wire import RequestKind
from localazure.world.azure_errors import Refused
from localazure.world.happenings import ActionSucceeded
from localazure.world.world import OWNER, SUBSCRIPTION
from spot_responder.command_line import CommandLine
from spot_responder.commands.console import Console
from spot_responder.commands.explain import render
from spot_responder.decisions.decide import decide
from spot_responder.decisions.policy import Policy, RestartWhen
from spot_responder.decisions.recoveries import Notice
from spot_responder.intake.vms import PowerState, VmId
from spot_responder.operators.act import hold, retry
from spot_responder.operators.gather import gather_explanation
from spot_responder.operators.views.explanation import explain
from tests.harness.makers import TEN, accepted, asking, at, evicted, situation, spot_vm
from tests.harness.stories import annotated
from tests.harness.stories import refused as fate

if TYPE_CHECKING:
    from spot_responder.operators.views.explanation import Explanation
    from tests.harness.stories import NewAzure, StoryAzure

PATIENT = timedelta(days=30)


def explained(azure: StoryAzure, name: str = "render-1") -> Explanation:
    """Explain a VM as it is now."""
    vm_id = VmId.parse(azure.world.machine(name).vm_id)
    return azure.do(gather_explanation(vm_id, azure.ports(), azure.settings, azure.now))


def no_capacity(azure: StoryAzure, until: str) -> Explanation:
    """Let there be no capacity from ten on."""
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at(until))
    return explained(azure)


def refused(new_azure: NewAzure, code: str, message: str, status: int = 409, until: str = "10:00:30") -> Explanation:
    """Let the first start be refused so."""
    azure = new_azure()
    azure.add_vm()
    azure.world.refuse_next_start("render-1", code, message, status)
    azure.world.evict("render-1")
    azure.run_until(at(until))
    return explained(azure)


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
        "what was told up to then is over: it ran since",
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


def test_scenario_2_no_capacity_inside_the_operation(new_azure: NewAzure) -> None:
    """Refused again and again: how often, in which words, when it is tried again, and what would help."""
    said = no_capacity(new_azure(), "10:10")
    assert said.headline == (
        "render-1 is down, evicted by Azure: no capacity for standard_d2s_v5 in westeurope (AllocationFailed)"
    )
    (tried,) = said.tried
    assert tried.startswith("4 start requests; the latest came to nothing (capacity). Azure said: AllocationFailed: ")
    assert said.next.what == "a start is asked for again"
    assert said.next.at is not None
    assert at("10:10") < said.next.at < at("10:20")
    assert said.advice == (
        "it comes back when Azure has room; sooner only in another size, zone or region",
        "to have it tried now, without waiting: .venv/bin/spot-responder retry render-1",
    )
    assert not said.needs_you


def test_scenario_2_no_capacity_at_once(new_azure: NewAzure) -> None:
    """Azure says 409 at once."""
    said = refused(new_azure, *SKU_NOT_AVAILABLE)
    assert said.headline.endswith("no capacity for standard_d2s_v5 in westeurope (SkuNotAvailable)")
    assert "Azure said: SkuNotAvailable: The requested VM size for resource" in said.tried[0]


def test_scenario_2_another_vm_of_the_pool_waits_for_its_turn(new_azure: NewAzure) -> None:
    """It has asked for nothing itself: the pool said no to another."""
    azure = new_azure()
    no_capacity(azure, "10:10")
    azure.add_vm("render-2")
    azure.world.evict("render-2")
    azure.run_until(at("10:10:30"))
    said = explained(azure, "render-2")
    assert said.headline.startswith(
        "render-2 is down, evicted by Azure: no capacity just now: standard_d2s_v5 in westeurope refused "
    )
    assert said.tried == ("no start was asked for yet",)
    assert said.advice == (
        "it comes back when Azure has room; sooner only in another size, zone or region",
        "to have it tried now, without waiting: .venv/bin/spot-responder retry render-2",
    )


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


def test_scenario_5_without_the_tag(new_azure: NewAzure) -> None:
    """Not covered, and the reason."""
    azure = new_azure()
    azure.add_vm(tags={"team": "render"})
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    said = explained(azure)
    assert said.headline == (
        "render-1 is down, evicted by Azure, and is not covered: "
        "its owner did not ask for it: no tag AttemptRestartAfterEviction=true"
    )
    assert (said.covered, said.tag_typos, said.needs_you) == (False, (), False)
    assert said.next.what == "nothing: the app leaves it alone"
    tag = f"az tag update --operation Merge --resource-id {said.vm_id} --tags AttemptRestartAfterEviction=true"
    assert said.advice == (f"if its owner wants it restarted: {tag}",)


def test_scenario_5_not_spot(new_azure: NewAzure) -> None:
    """Azure does not evict it, and no tag would change that."""
    azure = new_azure()
    azure.add_vm(priority="Regular", tags={})
    said = explained(azure)
    assert said.headline == "render-1 runs, and is not covered: not a Spot VM (priority Regular)"
    assert said.advice == ()


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


def test_scenario_7_the_price_is_above_its_max_price(new_azure: NewAzure) -> None:
    """How much it may cost, and the command that lifts the limit."""
    azure = new_azure()
    vm = azure.add_vm(max_price=0.05)
    azure.world.set_price(vm.size, vm.location, 0.09)
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    said = explained(azure)
    assert said.headline == (
        "render-1 is down, evicted by Azure: the VM's max price, 0.05 USD an hour, is below the current Spot price "
        "(SpotPriceGreaterThanProvidedMaxPrice)"
    )
    assert said.next.at is not None
    assert said.next.at >= at("11:00")
    assert said.advice[0].endswith("--set billingProfile.maxPrice=-1")
    assert not said.needs_you


def test_throttled(new_azure: NewAzure) -> None:
    """Azure asked for a pause: it does not count as a try, and a retry would not be listened to."""
    said = refused(new_azure, "TooManyRequests", "slow down", 429)
    assert said.headline == "render-1 is down, evicted by Azure: Azure asked us to slow down (TooManyRequests)"
    assert said.tried == (
        "one that Azure did not try, so that it is not counted (throttled). Azure said: TooManyRequests: slow down",
    )
    assert said.advice == ("nothing is to be done: Azure wants fewer requests, and the app obeys",)
    assert not said.needs_you


def test_throttled_after_a_start_that_failed(new_azure: NewAzure) -> None:
    """One start request counts, as ``status`` says too."""
    azure = new_azure()
    azure.add_vm()
    azure.world.refuse_next_start("render-1", *SKU_NOT_AVAILABLE)
    azure.world.evict("render-1")
    azure.run_until(at("10:00:30"))
    azure.world.refuse_next_start("render-1", "TooManyRequests", "slow down", 429)
    azure.run_until(at("10:02"))
    said = explained(azure)
    assert said.tried[0].startswith("1 start request, and one that Azure did not try")
    assert said.recovery is not None
    assert said.recovery.start_requests == 1


def test_denied_for_want_of_a_role(new_azure: NewAzure) -> None:
    """Somebody must act, and is told what to look at."""
    said = refused(
        new_azure, "AuthorizationFailed", "The client 'x' does not have authorization to perform action", 403
    )
    assert said.headline == (
        "render-1 is down, evicted by Azure: Azure does not let us start this VM: "
        "mend its access, lock or configuration (AuthorizationFailed)"
    )
    assert said.needs_you
    assert said.advice[0].startswith("does the app have its role? az role assignment list --scope /subscriptions/")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("ScopeLocked", "a read-only lock forbids it: az lock list -g rg-spot --subscription 11111111-"),
        ("RequestDisallowedByPolicy", "an Azure Policy forbids it: az policy state list --resource /subscriptions/"),
        ("AzureSpotIsNotSupportedForThisVMSize", "the VM's or the subscription's configuration forbids it"),
    ],
)
def test_denied_by_something_else(new_azure: NewAzure, code: str, told: str) -> None:
    """A lock, a policy, a configuration: each has another place to look at."""
    said = refused(new_azure, code, "no")
    assert said.needs_you
    assert said.advice[0].startswith(told)


def test_quota(new_azure: NewAzure) -> None:
    """Only a free or a higher quota helps."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.set_quota(vm.subscription_id, vm.location, 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    said = explained(azure)
    assert "the subscription's Spot quota is used up" in said.headline
    assert said.needs_you
    assert said.advice[0] == (
        "to see the quota (Total Regional Spot vCPUs): az vm list-usage -l westeurope "
        f"--subscription {SUBSCRIPTION} -o table"
    )


def test_conflict(new_azure: NewAzure) -> None:
    """Another operation is at work."""
    said = refused(new_azure, "AttachDiskWhileBeingDetached", "a disk is being detached")
    assert "another operation is at work on the VM (AttachDiskWhileBeingDetached)" in said.headline
    assert said.advice == ("another operation holds the VM, as Azure says: the Activity Log shows whose",)


def test_a_code_that_nobody_knows(new_azure: NewAzure) -> None:
    """It is tried again, and Azure's words are told."""
    said = refused(new_azure, "BlueMoon", "the moon is blue", 500)
    assert not said.needs_you
    assert "Azure said: BlueMoon: the moon is blue" in said.tried[0]
    assert said.advice[0].startswith("nobody here knows this code")


def test_a_code_that_nobody_knows_again_and_again(new_azure: NewAzure) -> None:
    """The third time somebody should look; so says the event, so say ``status`` and page."""
    azure = new_azure()
    azure.add_vm()
    azure.script.next(RequestKind.VM_START, fate(Refused(500, "BlueMoon", "the moon is blue")), times=99)
    azure.world.evict("render-1")
    azure.run_until(at("10:01:20"))
    assert not explained(azure).needs_you
    azure.run_until(at("10:05"))
    said = explained(azure)
    assert said.needs_you
    assert said.recovery is not None
    assert said.recovery.needs is Notice.UNKNOWN


def test_a_failure_that_the_app_has_not_read_yet(new_azure: NewAzure) -> None:
    """The operation has failed since the app's last look: what Azure says now is told."""
    azure = new_azure(Policy(look_again=timedelta(minutes=2)))
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:03:30"))
    said = explained(azure)
    assert azure.recovery().attempt_under_way is not None
    assert "Azure said: AllocationFailed" in said.tried[0]


def test_a_scale_set_that_restores_its_vms(new_azure: NewAzure) -> None:
    """It is the scale set's business, and which one."""
    azure = new_azure()
    scale_set = azure.world.add_scale_set("workers", restore_policy=True)
    azure.add_vm(scale_set_id=scale_set)
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    said = explained(azure)
    assert not said.covered
    assert said.why_not == f"its scale set restores it by itself (spotRestorePolicy of {scale_set})"
    assert said.tag_typos == ()


def test_the_brake(new_azure: NewAzure) -> None:
    """Evicted again and again: how often it was restarted, and when it goes on."""
    azure = new_azure(Policy(restarts_per_day=2))
    azure.add_vm()
    for minute in (0, 10, 20):
        azure.run_until(at("10:00") + timedelta(minutes=minute))
        azure.world.evict("render-1")
    azure.run_until(at("10:30"))
    said = explained(azure)
    assert said.headline == (
        "render-1 is down, evicted by Azure: the brake: restarted 2 times within a day, the most that is allowed"
    )
    assert (said.restarts_today, said.restarts_allowed) == (2, 2)
    assert said.next.at is not None
    assert said.next.at > at("10:00") + timedelta(hours=23)
    assert said.tried == ("no start was asked for yet",)
    assert said.needs_you
    assert said.recovery is not None
    assert said.recovery.needs is Notice.BRAKE
    assert said.advice == (
        "if Azure evicts it again and again, another size, zone or region may hold longer",
        f"to have it up all the same: az vm start --ids {said.vm_id}",
    )


def test_held_after_a_refusal(new_azure: NewAzure) -> None:
    """Nothing but a release helps; what was refused before needs nobody now."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.set_quota(vm.subscription_id, vm.location, 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    azure.do(hold(azure.ports().store, VmId.parse(vm.vm_id), azure.now, lambda: "hold-1"))
    said = explained(azure)
    assert said.advice == ("to end the hold: .venv/bin/spot-responder release render-1",)
    assert not said.needs_you


def test_the_commands_that_are_advised_name_it_as_the_operator_did(new_azure: NewAzure) -> None:
    """By its id, where its name is another's as well."""
    azure = new_azure()
    no_capacity(azure, "10:10")
    vm_id = VmId.parse(azure.world.machine("render-1").vm_id)
    said = azure.do(gather_explanation(vm_id, azure.ports(), azure.settings, azure.now, str(vm_id)))
    assert said.advice[-1].endswith(f": .venv/bin/spot-responder retry {vm_id}")


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


def test_dry_run_after_a_refusal(new_azure: NewAzure) -> None:
    """DRY_RUN came after it: the next look starts nothing, and does not say so."""
    azure = new_azure()
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:01"))
    azure.redeploy(dry_run=True)
    said = explained(azure)
    assert said.next.what == "it is looked at again, and not started: DRY_RUN is true"
    assert said.next.at is not None


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


def test_only_evictions_are_answered_where_evidence_is_demanded(new_azure: NewAzure) -> None:
    """RESTART_WHEN=evicted, and nobody told why it is down."""
    azure = new_azure(Policy(restart_when=RestartWhen.EVICTED))
    azure.add_vm(power_state="deallocated")
    said = explained(azure)
    assert said.headline == (
        "render-1 is down, nobody told why: nothing says that it was evicted, and RESTART_WHEN=evicted"
    )


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


def test_an_opt_out_during_a_recovery(new_azure: NewAzure) -> None:
    """The tag was taken off while it waits: the recovery ends at its next look."""
    azure = new_azure()
    no_capacity(azure, "10:10")
    azure.world.retag("render-1", {})
    said = explained(azure)
    assert not said.covered
    assert said.next.what == "the recovery is closed at its next look: opted-out"


def test_a_tag_that_the_graph_does_not_know_yet(new_azure: NewAzure) -> None:
    """Tagged a minute ago: ARM knows, and is asked."""
    azure = new_azure()
    azure.script.lag = timedelta(minutes=5)
    azure.add_vm(tags={})
    azure.run_until(at("10:01"))
    azure.world.retag("render-1", {"AttemptRestartAfterEviction": "true"})
    assert explained(azure).covered


@pytest.mark.parametrize(
    ("tags", "what"),
    [
        (
            {"AttemptRestartAfterEviction": "yes"},
            "its value is 'yes', which was surely meant as true; only true counts",
        ),
        ({"AttemptRestartAfterEvicton": "true"}, "its name is 'AttemptRestartAfterEvicton', and not Attempt"),
    ],
)
def test_a_near_miss_is_told_with_the_command_that_mends_it(
    new_azure: NewAzure, tags: dict[str, str], what: str
) -> None:
    """Not covered, and somebody surely wanted it to be."""
    azure = new_azure()
    azure.add_vm(tags=tags)
    said = explained(azure)
    assert f"; but {what}" in said.headline
    assert said.needs_you
    (command,) = said.advice
    assert command.startswith("if its owner wants it restarted: az tag update --operation Merge --resource-id /sub")
    assert command.endswith("--tags AttemptRestartAfterEviction=true")


def test_the_name_of_the_tag_in_another_casing_is_fine(new_azure: NewAzure) -> None:
    """Azure compares it without regard to case, and so do we."""
    azure = new_azure()
    azure.add_vm(tags={"ATTEMPTRESTARTAFTEREVICTION": "TRUE"})
    said = explained(azure)
    assert (said.covered, said.tag_typos) == (True, ())


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


def test_the_budget(new_azure: NewAzure) -> None:
    """Asked for as often as is allowed within an hour: when it goes on."""
    azure = new_azure(Policy(starts_per_hour=2))
    said = no_capacity(azure, "10:30")
    assert said.headline == (
        "render-1 is down, evicted by Azure: its budget: 2 start requests within an hour, the most that is allowed"
    )
    assert said.next.at is not None
    assert at("11:00") < said.next.at < at("11:01")
    assert said.needs_you
    assert said.advice[1:] == (
        "what Azure said to each of these start requests is in the app's log",
        f"to have it up all the same: az vm start --ids {said.vm_id}",
    )


def test_before_tells_how_the_last_case_ended_and_how_often_it_came_back(new_azure: NewAzure) -> None:
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


def test_who_runs_again_after_its_owners_stop_is_given_no_advice(new_azure: NewAzure) -> None:
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


def test_the_advice_can_be_copied_and_stays_in_its_azure(new_azure: NewAzure) -> None:
    """A name with brackets is one word for the shell; what is asked of the laptop is advised for the laptop."""
    azure = new_azure()
    vm = azure.add_vm("gpu(1)", resource_group="rg(spot).ü")
    azure.world.refuse_next_start("gpu(1)", "AllocationFailed", "No capacity.")
    azure.world.evict("gpu(1)")
    azure.run_until(at("10:00:40"))
    vm_id, local = VmId.parse(vm.vm_id), CommandLine(local=True)
    said = azure.do(gather_explanation(vm_id, azure.ports(), azure.settings, azure.now, "gpu(1)", local))
    advised = said.advice[-1].rpartition(": ")[2]
    assert "'gpu(1)'" in advised
    assert shlex.split(advised) == [".venv/bin/spot-responder", "retry", "gpu(1)", "--local"]
    azure.run_until(at("10:10"))
    azure.world.stop_by_owner("gpu(1)")
    azure.run_until(at("10:20"))
    who, start = azure.do(gather_explanation(vm_id, azure.ports(), azure.settings, azure.now, "gpu(1)", local)).advice
    assert str(vm_id) in shlex.split(who.partition(": ")[2])
    assert shlex.split(start.partition(": ")[2])[-1] == str(vm_id)


def test_a_start_whose_answer_is_not_known_is_not_called_accepted(new_azure: NewAzure) -> None:
    """We died, or the network did, between request and answer; and an accepted one is not said to be worked on."""
    azure = new_azure()
    policy, now = azure.settings.policy, at("10:00:20")
    for row, known in ((asking(), "its answer is not known yet"), (accepted(), "Azure accepted it")):
        seen = situation(evicted(), spot_vm(), row)
        said = explain(seen, decide(seen, policy, now, 0.5), policy, now)
        assert said.tried == (f"1 start request; the latest is under way: {known}",)
