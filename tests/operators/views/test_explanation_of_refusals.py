"""What ``explain`` says where Azure, the brake or the budget keeps a VM down, and what it advises."""

from __future__ import annotations

import shlex
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from localazure.demo.scenarios import SKU_NOT_AVAILABLE
from localazure.virtual.wire import Fate, RequestKind
from localazure.world.azure_errors import Refused
from localazure.world.world import SUBSCRIPTION
from spot_responder.advised_command import CommandLine
from spot_responder.decisions.policy import Policy
from spot_responder.decisions.recoveries import Notice
from spot_responder.intake.vms import VmId
from spot_responder.operators.act import hold
from spot_responder.operators.gather import gather_explanation
from tests.harness.makers import at
from tests.harness.stories import refused as fate
from tests.operators.views.explained import explained, no_capacity

if TYPE_CHECKING:
    from spot_responder.operators.views.explanation import Explanation
    from tests.harness.stories import NewAzure


def refused(new_azure: NewAzure, code: str, message: str, status: int = 409, until: str = "10:00:30") -> Explanation:
    """Let the first start be refused so."""
    azure = new_azure()
    azure.add_vm()
    azure.world.refuse_next_start("render-1", code, message, status)
    azure.world.evict("render-1")
    azure.run_until(at(until))
    return explained(azure)


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
        "sizes that it could come back as, and the tag for it: .venv/bin/spot-responder sizes --like render-1",
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
        "sizes that it could come back as, and the tag for it: .venv/bin/spot-responder sizes --like render-2",
        "to have it tried now, without waiting: .venv/bin/spot-responder retry render-2",
    )


def test_scenario_7_the_price_is_above_its_max_price(new_azure: NewAzure) -> None:
    """How much it may cost, and the command that lifts the limit."""
    azure = new_azure()
    vm = azure.add_vm(max_price=0.05)
    azure.world.set_price(vm.size, vm.location, 0.09)
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    said = explained(azure)
    assert said.headline == (
        "render-1 is down, evicted by Azure: the VM's max price, 0.05 USD an hour, is below the current Spot price, "
        "0.09 (SpotPriceGreaterThanProvidedMaxPrice)"
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


def test_a_start_that_was_not_answered(new_azure: NewAzure) -> None:
    """It never reached Azure, which nobody can know yet: no word of Azure is made up."""
    azure = new_azure()
    azure.add_vm()
    azure.script.next(RequestKind.VM_START, Fate(arrives=False))
    azure.world.evict("render-1")
    azure.run_until(at("10:01"))
    assert explained(azure).tried == (
        "1 start request; the latest was not answered: whether Azure took it is not known",
    )


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
    assert said.advice[2:] == (
        "what Azure said to each of these start requests is in the app's log",
        f"to have it up all the same: az vm start --ids {said.vm_id}",
    )


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
