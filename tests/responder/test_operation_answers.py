"""What stands at the address of an accepted start's operation, and what becomes of the VM: a look always decides."""

from __future__ import annotations

import zlib
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from localazure.virtual.wire import RequestKind
from localazure.world.azure_errors import Refused
from localazure.world.durations import Durations
from spot_responder.decisions.outcomes import Outcome
from spot_responder.intake.vms import VmId
from spot_responder.operators.gather import gather_explanation
from tests.harness.makers import at
from tests.harness.stories import NO_ANSWER, notices, outcomes, refused, starts

if TYPE_CHECKING:
    from localazure.virtual.wire import Fate
    from tests.harness.stories import NewAzure

FOR_EVER = 10**6
WHATEVER: dict[str, Fate] = {
    "expired": refused(Refused(404, "NotFound", "The operation was not found.")),
    "denied": refused(Refused(403, "AuthorizationFailed", "No authorization to perform the action.")),
    "no token taken": refused(Refused(401, "InvalidAuthenticationToken", "The access token is invalid.")),
    "throttled": refused(Refused(429, "TooManyRequests", "Too many requests.", {"Retry-After": "600"})),
    "broken": refused(Refused(500, "InternalServerError", "Encountered internal server error.")),
    "a gateway's": refused(Refused(502, "", "")),
    "silent": NO_ANSWER,
}


@pytest.mark.parametrize("answers", WHATEVER)
def test_whatever_answers_at_the_address_a_vm_whose_start_failed_is_started_again(
    answers: str, new_azure: NewAzure
) -> None:
    """Evicted at 10:00, its first start fails inside Azure, which nobody ever tells: it runs by 10:15."""
    azure = new_azure(sweep_every=timedelta(days=1))
    vm = azure.add_vm()
    azure.world.fail_next_start("render-1", "AllocationFailed", "Allocation failed.")
    azure.script.next(RequestKind.OPERATION_READ, WHATEVER[answers], times=FOR_EVER)
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    explained = azure.do(gather_explanation(VmId.parse(vm.vm_id), azure.ports(), azure.settings, azure.now))
    assert "in an unknown state" in explained.headline
    azure.run_until(at("10:15"))
    assert vm.power_state == "running"
    assert len(starts(azure)) == 2
    assert outcomes(azure) == [Outcome.RESTORED]
    assert azure.failures == []


def test_a_failure_that_is_told_at_location_closes_the_pool(new_azure: NewAzure) -> None:
    """Compute's contract promises ``Location`` only: there, 409 AllocationFailed is the operation's own failure."""
    azure = new_azure()
    azure.add_vm()
    azure.world.fail_next_start("render-1", "AllocationFailed", "Allocation failed.")
    failed = refused(Refused(409, "AllocationFailed", "Allocation failed."))
    azure.script.next(RequestKind.OPERATION_READ, failed)
    azure.world.evict("render-1")
    azure.run_until(at("10:01:30"))
    assert "no capacity for standard_d2s_v5 in westeurope (AllocationFailed)" in azure.recovery().reason
    azure.run_until(at("10:03"))
    assert outcomes(azure) == [Outcome.RESTORED]


def test_a_vm_whose_accepted_starts_never_show_anything_needs_somebody(new_azure: NewAzure) -> None:
    """Azure takes each request, and nothing comes of it: told after the third, which is within 45 minutes."""
    azure = new_azure()
    azure.add_vm()

    def fail() -> None:
        azure.world.fail_next_start("render-1", "AllocationFailed", "Allocation failed.")

    azure.script.next(RequestKind.VM_START, meanwhile=fail, times=FOR_EVER)
    azure.script.next(RequestKind.OPERATION_READ, WHATEVER["expired"], times=FOR_EVER)
    azure.world.evict("render-1")
    azure.run_until(at("10:45"))
    assert len(starts(azure)) == 4
    assert "render-1 unknown" in notices(azure)


def test_a_vm_that_came_up_unseen_and_was_evicted_again_is_started_after_ten_minutes(new_azure: NewAzure) -> None:
    """Started at 10:00:16, up for a moment at 10:09:16, and the address has expired: no start has failed here."""
    azure = new_azure(durations=Durations(start=timedelta(minutes=9)))
    azure.add_vm()
    azure.script.next(RequestKind.OPERATION_READ, WHATEVER["expired"], times=FOR_EVER)
    azure.world.evict("render-1")
    azure.run_until(at("10:09:16"))
    azure.world.evict("render-1")
    azure.run_until(at("10:11"))
    assert starts(azure) == ["10:00:16", "10:10:29"]
    assert azure.recovery().failures.by_kind == {}


def test_rubbish_that_cannot_even_be_unpacked_ends_no_look(new_azure: NewAzure) -> None:
    """What stands at the address says gzip and is none: the VM is started again by 10:15."""

    def unreadable() -> None:
        message = "Error -3 while decompressing data: incorrect header check"
        raise zlib.error(message)

    azure = new_azure(sweep_every=timedelta(days=1))
    vm = azure.add_vm()
    azure.world.fail_next_start("render-1", "AllocationFailed", "Allocation failed.")
    azure.script.next(RequestKind.OPERATION_READ, meanwhile=unreadable, times=FOR_EVER)
    azure.world.evict("render-1")
    azure.run_until(at("10:15"))
    assert vm.power_state == "running"
    assert azure.failures == []


def test_an_explanation_sees_a_failure_that_the_app_has_not_seen_yet(new_azure: NewAzure) -> None:
    """The quota is used up, as the operation says; the app's message is lost: somebody is needed all the same."""
    azure = new_azure(sweep_every=timedelta(days=1))
    vm = azure.add_vm()
    azure.world.fail_next_start("render-1", "QuotaExceeded", "Quota exceeded.")
    azure.world.evict("render-1")
    azure.run_until(at("10:00:20"))
    azure.app.clear_messages()
    azure.run_until(at("10:01:30"))
    explained = azure.do(gather_explanation(VmId.parse(vm.vm_id), azure.ports(), azure.settings, azure.now))
    assert explained.needs_you
    assert "QuotaExceeded" in str(explained.tried)
