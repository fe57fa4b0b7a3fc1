"""A start that is refused and refused: what passes by itself is waited for in quiet, what lasts needs somebody."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from localazure.virtual.wire import RequestKind
from localazure.world.azure_errors import Refused
from spot_responder.advised_command import CommandLine
from spot_responder.decisions.app_health.event_path import event_path
from spot_responder.decisions.failure_counts import FailureCounts
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import Policy
from spot_responder.decisions.publishing.notices import REFUSED_OFTEN, needs_somebody, of_failures
from spot_responder.decisions.recoveries import Notice
from spot_responder.intake.azure_errors import NO_TOKEN as NO_TOKEN_CODE
from spot_responder.intake.azure_errors import FailureKind, no_token
from spot_responder.intake.vms import VmId
from spot_responder.operators.act import retry
from spot_responder.operators.gather import gather_explanation
from spot_responder.operators.views.dead_letters import QueueCounts
from spot_responder.operators.views.open_recovery import open_recovery
from spot_responder.operators.views.problems import problems
from tests.harness.makers import TEN, accepted, at, failure, recovery
from tests.harness.stories import NO_TOKEN, notices, outcomes, preempted, refused, starts

if TYPE_CHECKING:
    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.operators.views.explanation import Explanation
    from tests.harness.stories import NewAzure, StoryAzure

BUSY = Refused(409, "AnotherOperationInProgress", "Another operation is in progress.")
THROTTLED = Refused(429, "TooManyRequests", "Too many requests.")
MISSED = Refused(404, "NotFound", "The entity was not found in this Azure location.")
KEY_VAULT = Refused(409, "KeyVaultAccessForbidden", "Unable to access key vault resource.")
BLUE_MOON = Refused(409, "BlueMoon", "The moon is blue.")
MINUTE = timedelta(minutes=1)
ALWAYS = 10_000


def refused_always(new_azure: NewAzure, refusal: Refused) -> StoryAzure:
    """Evict a VM at ten, each start of which Azure refuses."""
    azure = new_azure(Policy(starts_per_hour=100))
    azure.add_vm(power_state="deallocated")
    azure.script.next(RequestKind.VM_START, refused(refusal), times=ALWAYS)
    azure.put(preempted("render-1"))
    return azure


def explained(azure: StoryAzure) -> Explanation:
    """Explain the VM to an operator, now."""
    vm_id = VmId.parse(azure.world.machine("render-1").vm_id)
    return azure.do(gather_explanation(vm_id, azure.ports(), azure.settings, azure.now))


def problem(azure: StoryAzure) -> list[str]:
    """Give what status and page name as what somebody should mend."""
    cases = [open_recovery(azure.recovery(), azure.now)]
    path = event_path([], azure.now)
    return [each.what for each in problems(cases, (), QueueCounts(0, 0, 0, 0, 0), path, azure.now, CommandLine())]


@pytest.mark.parametrize(
    ("refusal", "before", "after", "need"),
    [
        (BUSY, "10:59", "11:25", Notice.CONFLICT),
        (THROTTLED, "10:29", "10:50", Notice.THROTTLED),
        (MISSED, "10:29", "10:50", Notice.GONE),
    ],
)
def test_what_should_pass_and_does_not_needs_somebody(
    refusal: Refused, before: str, after: str, need: Notice, new_azure: NewAzure
) -> None:
    """Quiet at first; then it is told, once; and status, page and explain say so."""
    azure = refused_always(new_azure, refusal)
    azure.run_until(at(before))
    assert notices(azure) == ["render-1 opened"]
    assert problem(azure) == []
    assert not explained(azure).needs_you
    azure.run_until(at(after))
    assert notices(azure) == ["render-1 opened", f"render-1 {need}"]
    assert [told.startswith("render-1: ") and "or longer" in told for told in problem(azure)] == [True]
    said = explained(azure)
    assert said.needs_you
    assert "nothing is to be done" not in " ".join(said.advice)
    assert "az " in said.advice[0]
    azure.run_until(at(after) + timedelta(hours=3))
    assert notices(azure)[1:] == [f"render-1 {need}"]


def test_a_conflict_of_some_minutes_is_nobodys_business(new_azure: NewAzure) -> None:
    """An operation ends by itself: nothing is to be done, and the VM comes back."""
    azure = refused_always(new_azure, BUSY)
    azure.run_until(at("10:20"))
    told = "another operation holds the VM, as Azure says: the Activity Log shows whose"
    assert explained(azure).advice == (told,)
    azure.script.forget()
    azure.run_until(at("10:50"))
    assert outcomes(azure) == [Outcome.RESTORED]
    assert notices(azure) == ["render-1 opened"]


@pytest.mark.parametrize(("refusal", "need"), [(KEY_VAULT, Notice.DENIED), (BLUE_MOON, Notice.UNKNOWN)])
def test_a_permanent_fault_at_409_is_no_conflict(refusal: Refused, need: Notice, new_azure: NewAzure) -> None:
    """It does not look like one that passes: somebody is told within ten minutes."""
    azure = refused_always(new_azure, refusal)
    azure.run_until(at("10:10"))
    assert notices(azure) == ["render-1 opened", f"render-1 {need}"]
    assert azure.recovery().failures.kind is FailureKind(need)


def test_azure_says_itself_that_it_is_to_be_left_alone_for_two_hours(new_azure: NewAzure) -> None:
    """Nobody asks again until then: that it lasts is known at once."""
    azure = refused_always(new_azure, replace(THROTTLED, headers={"Retry-After": "7200"}))
    azure.run_until(at("10:01"))
    assert notices(azure) == ["render-1 opened", "render-1 throttled"]


def failing(case: Recovery, kind: FailureKind, clock: str) -> Recovery:
    """Ask for a start, which is refused at once."""
    return case.asking(at(clock), at(clock) + MINUTE, "evicted").refused(failure(kind), counts=True)


def test_a_run_of_failures_begins_with_the_first_of_its_kind() -> None:
    """Busy since ten, throttled once, busy again: the second run is the one that counts."""
    case = failing(failing(recovery(), FailureKind.CONFLICT, "10:00"), FailureKind.CONFLICT, "10:10")
    assert case.failures.since == at("10:00")
    assert needs_somebody(case, at("10:59")) is None
    assert needs_somebody(case, at("11:00")) is Notice.CONFLICT
    case = failing(failing(case, FailureKind.THROTTLED, "10:20"), FailureKind.CONFLICT, "10:30")
    assert case.failures.since == at("10:30")
    assert needs_somebody(case, at("11:00")) is None


def test_a_run_whose_beginning_an_earlier_release_did_not_keep_counts_from_the_latest_request() -> None:
    """Its row says how often, not since when."""
    case = failing(recovery(), FailureKind.CONFLICT, "10:00")
    case = replace(case, failures=replace(case.failures, since=None))
    assert needs_somebody(case, at("11:00")) is Notice.CONFLICT
    assert needs_somebody(case, at("10:30")) is None


def test_a_run_does_not_outlive_its_recovery() -> None:
    """Throttled three days ago, evicted again now, throttled once: nothing has lasted yet."""
    throttled = failing(recovery(), FailureKind.THROTTLED, "10:00")
    again = throttled.closed(Outcome.GONE, at("10:01"), "gone").reopened(
        "2", TEN + timedelta(days=3), throttled.opened_by
    )
    asked = again.asking(TEN + timedelta(days=3), TEN + timedelta(days=3), "evicted")
    assert needs_somebody(asked.refused(failure(FailureKind.THROTTLED), counts=False), TEN + timedelta(days=3)) is None


def test_a_hundred_refusals_need_somebody_whatever_they_are() -> None:
    """No capacity and too dear, in turns: nobody was needed for one of them, and is for so many."""
    case = failing(accepted().refused(failure(FailureKind.PRICE), counts=True), FailureKind.CAPACITY, "10:30")
    often = replace(
        case, failures=FailureCounts(by_kind={FailureKind.CAPACITY: 60, FailureKind.PRICE: REFUSED_OFTEN - 61})
    )
    assert needs_somebody(often, at("11:00")) is None
    once_more = failing(often, FailureKind.CAPACITY, "11:01")
    assert needs_somebody(once_more, at("11:01")) is Notice.REFUSALS


def test_a_hundred_refusals_are_told(new_azure: NewAzure) -> None:
    """No capacity for two days, in a pool that this VM has for itself: told once, and named on the page."""
    azure = new_azure()
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(TEN + timedelta(days=2))
    assert notices(azure) == ["render-1 opened", "render-1 refusals"]
    assert any("100 start requests or more came to nothing" in told for told in problem(azure))
    said = explained(azure)
    assert said.needs_you
    assert any("a hundred requests came to nothing" in line for line in said.advice)


# No token: nothing was sent.


def test_a_start_without_a_token_was_not_sent(new_azure: NewAzure) -> None:
    """Whoever gives tokens is out for a minute: no attempt is counted, and the VM is back within two."""
    azure = new_azure(Policy(starts_per_hour=2))
    vm = azure.add_vm(power_state="deallocated")
    azure.script.next(RequestKind.VM_START, NO_TOKEN, times=3)
    azure.put(preempted("render-1"))
    azure.run_until(at("10:01"))
    row = azure.recovery()
    assert (row.attempts, row.starts, row.evidence.starts_asked) == (0, (), ())
    assert row.attempt is not None
    assert row.attempt.failure is not None
    assert row.attempt.failure.code == NO_TOKEN_CODE
    assert "no response from the IMDS endpoint" in row.reason
    said = explained(azure)
    assert said.tried[0].startswith("one that was not sent, for there was no token: ManagedIdentityCredential")
    assert "our own start request" not in [told.what for told in said.evidence]
    assert "Azure said" not in said.tried[0]
    assert "the app has no login" in said.advice[0]
    azure.run_until(at("10:03"))
    assert vm.power_state == "running"
    assert len(starts(azure)) == 1
    assert notices(azure) == ["render-1 opened"]


def test_a_login_that_is_gone_is_told_and_tried_ever_later(new_azure: NewAzure) -> None:
    """For a day nobody gives a token for starts: told after half an hour, and tried once an hour at last."""
    azure = new_azure()
    azure.add_vm(power_state="deallocated")
    azure.script.next(RequestKind.VM_START, NO_TOKEN, times=ALWAYS)
    azure.put(preempted("render-1"))
    azure.run_until(at("10:29"))
    assert notices(azure) == ["render-1 opened"]
    azure.run_until(TEN + timedelta(days=1))
    assert notices(azure) == ["render-1 opened", "render-1 no-token"]
    assert 24 <= azure.recovery().failures.by_kind[FailureKind.DENIED] <= 32
    assert any("no token" in told for told in problem(azure))


def test_a_look_without_a_token_comes_back_soon_and_no_hint_is_let_go(
    new_azure: NewAzure, caplog: pytest.LogCaptureFixture
) -> None:
    """A look that Azure denies comes back after an hour; nobody was asked here: it comes back after a minute."""
    azure = new_azure(sweep_every=timedelta(days=9))
    vm = azure.add_vm()
    azure.world.eviction_annotations = ()
    azure.script.next(RequestKind.GRAPH, NO_TOKEN)
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    assert vm.power_state == "running"
    denied = [line for line in caplog.messages if '"event": "denied"' in line]
    assert len(denied) == 1
    assert "managed identity" in denied[0]
    assert "role" not in denied[0]


def test_no_token_needs_somebody_when_it_lasts() -> None:
    """Not at once, as a missing right."""
    assert of_failures(no_token("az login"), 9, 29 * MINUTE) is None
    assert of_failures(no_token("az login"), 9, 30 * MINUTE) is Notice.NO_TOKEN
    assert of_failures(failure(FailureKind.DENIED), 1, timedelta()) is Notice.DENIED


@pytest.mark.parametrize("evictions", [1, 2])
def test_how_long_azure_asks_us_to_wait_holds_for_every_later_recovery(evictions: int, new_azure: NewAzure) -> None:
    """Refused at 10:00:16 with Retry-After 2 h; its owner starts it, and it is evicted again; an operator retries."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.script.next(RequestKind.VM_START, refused(Refused(409, "SkuNotAvailable", "x", {"Retry-After": "7200"})))
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    for _ in range(evictions):
        azure.world.start(vm, caller="owner@example.com")
        azure.run_until(azure.now + timedelta(minutes=5))
        azure.world.evict("render-1")
        azure.run_until(azure.now + timedelta(minutes=5))
    azure.do(retry(azure.ports().queue, VmId.parse(vm.vm_id), azure.now, lambda: "retry-1"))
    azure.run_until(at("12:00"))
    assert [call for call in vm.start_calls if "owner" not in call.caller] == []
    azure.run_until(at("12:02"))
    assert vm.power_state == "running"


def test_a_vm_that_waits_for_what_azure_asked_because_of_another_is_told_at_once(new_azure: NewAzure) -> None:
    """The first is refused with Retry-After 6 h, which holds for all: the second is not looked at before that."""
    azure = new_azure()
    azure.add_vm("render-1")
    azure.add_vm("render-2")
    azure.script.next(RequestKind.VM_START, refused(Refused(429, "TooManyRequests", "x", {"Retry-After": "21600"})))
    azure.world.evict("render-1")
    azure.run_until(at("10:03"))
    azure.world.evict("render-2")
    azure.run_until(at("10:10"))
    assert "render-2 blocked" in notices(azure)
