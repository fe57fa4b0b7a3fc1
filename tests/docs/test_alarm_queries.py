"""The alarms' queries but that of the event path, run over the log lines that real stories leave behind."""

from __future__ import annotations

import json
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from localazure.virtual.wire import RequestKind
from spot_responder.decisions.situations import Ignore
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.payloads import UnreadableEvent
from spot_responder.responder.log import log_decision, log_sweep
from spot_responder.responder.ports import AzureRefusedError
from tests.docs.logged_stories import (
    ALARMS,
    D2,
    DAY,
    NOTHING_TOLD,
    SILENCE,
    answers,
    lines,
    names,
    out_of_capacity,
    watched,
)
from tests.harness.agents import agent_tells, ready
from tests.harness.log_analytics import QUERIES, Logbook
from tests.harness.makers import TEN, at, evicted, failure, situation
from tests.harness.stories import DENIED, refused

if TYPE_CHECKING:
    from tests.harness.stories import NewAzure

MACHINES = ("render-1", "Render-2")


@pytest.mark.parametrize("name", ALARMS)
def test_an_eviction_that_ends_well_is_no_alarm(name: str, new_azure: NewAzure) -> None:
    """Evicted, no capacity for an hour, restored: that is what the app is for."""
    azure = new_azure()
    with watched(azure) as logbook:
        out_of_capacity(azure)
        azure.run_until(at("11:00"))
        azure.world.set_capacity(azure.pool_key(), None)
        azure.run_until(at("12:00"))
    assert logbook.ask("time-to-restore", at("12:00"))[0]["restored"] == 1
    assert answers(logbook, name, at("10:30"), at("11:00"), at("12:00")) == []


@pytest.mark.parametrize(
    ("hours", "alarmed"),
    [(23, []), (25, ["render-1"]), (24 * 5, ["render-1"])],
    ids=["23 hours", "25 hours", "five days"],
)
def test_a_recovery_open_for_longer_than_a_day_is_an_alarm(hours: int, alarmed: list[str], new_azure: NewAzure) -> None:
    """And stays one, though the rule looks two days back and no further."""
    azure = new_azure()
    now = TEN + timedelta(hours=hours)
    with watched(azure) as logbook:
        out_of_capacity(azure)
        azure.run_until(now)
    rows = logbook.ask("alarm-unrecovered", now)
    assert names(rows) == alarmed
    assert [row["pool"] for row in rows] == [D2] * len(alarmed)


def test_each_vm_that_waits_for_longer_than_a_day_is_told_by_itself(new_azure: NewAzure) -> None:
    """One row for each VM, its id in one spelling: the rule tells the alarms of its kind apart by it."""
    azure = new_azure()
    with watched(azure) as logbook:
        out_of_capacity(azure)
        azure.run_until(at("16:00"))
        out_of_capacity(azure, "Render-2", "Standard_D4s_v5")
        azure.run_until(TEN + timedelta(hours=31))
    rows = logbook.ask("alarm-unrecovered", TEN + timedelta(hours=31))
    assert sorted(row["vm"] for row in rows) == sorted(azure.world.machine(name).vm_id.lower() for name in MACHINES)
    assert all(row["TimeGenerated"] > TEN + timedelta(hours=29) for row in rows)
    assert {(row["failure"], row["attempts"] > 20) for row in rows} <= {("capacity", True), ("", True)}


def test_a_recovery_that_nobody_has_spoken_of_for_two_days_is_no_alarm(new_azure: NewAzure) -> None:
    """The app was stopped meanwhile, or told to start nothing: that is what other alarms are for."""
    azure = new_azure()
    with watched(azure) as logbook:
        out_of_capacity(azure)
        azure.run_until(TEN + DAY)
    query = (QUERIES / "alarm-unrecovered.kql").read_text(encoding="utf-8")
    assert names(logbook.ask("alarm-unrecovered", TEN + DAY + timedelta(hours=1))) == ["render-1"]
    assert logbook.run(query, TEN + DAY * 3 + timedelta(hours=1)) == []


def test_a_recovery_that_took_longer_than_a_day_and_ended_is_no_alarm_any_more(new_azure: NewAzure) -> None:
    """Capacity came back in the end."""
    azure = new_azure()
    with watched(azure) as logbook:
        out_of_capacity(azure)
        azure.run_until(TEN + DAY)
        azure.world.set_capacity(azure.pool_key(), None)
        azure.run_until(TEN + DAY + timedelta(hours=2))
    assert logbook.ask("alarm-unrecovered", TEN + DAY + timedelta(hours=2)) == []


def test_a_denied_start_is_an_alarm_that_says_what_azure_said(new_azure: NewAzure) -> None:
    """The owner locked the machine."""
    azure = new_azure()
    azure.add_vm()
    azure.world.refuse_next_start("render-1", "ScopeLocked", "The scope is locked.", HTTPStatus.CONFLICT)
    with watched(azure) as logbook:
        azure.world.evict("render-1")
        azure.run_until(at("10:05"))
    rows = logbook.ask("alarm-denied", at("10:05"))
    assert names(rows) == ["render-1"]
    assert rows[0]["reason"] == "ScopeLocked: The scope is locked."


def test_a_start_that_is_denied_after_it_was_accepted_is_an_alarm(new_azure: NewAzure) -> None:
    """A policy may refuse inside the operation what ARM let in; a start that fails for another reason is none."""
    azure = new_azure()
    azure.add_vm()
    azure.add_vm("render-2")
    azure.world.fail_next_start("render-1", "RequestDisallowedByPolicy", "A policy forbids it.")
    azure.world.fail_next_start("render-2", "AllocationFailed", "No capacity.")
    with watched(azure) as logbook:
        azure.world.evict("render-1")
        azure.world.evict("render-2")
        azure.run_until(at("10:05"))
    assert len(lines(logbook, "start failed")) == 2
    [row] = logbook.ask("alarm-denied", at("10:05"))
    assert row["vm"] == azure.world.machine("render-1").vm_id.lower()
    assert row["reason"] == "RequestDisallowedByPolicy: A policy forbids it."


def test_a_start_refused_for_another_reason_is_not_denied(new_azure: NewAzure) -> None:
    """A price is no matter of rights."""
    azure = new_azure()
    vm = azure.add_vm(max_price=0.05)
    azure.world.set_price(vm.size, vm.location, 0.09)
    with watched(azure) as logbook:
        azure.world.evict("render-1")
        azure.run_until(at("10:05"))
    assert len(lines(logbook, "start refused")) == 1
    assert logbook.ask("alarm-denied", at("10:05")) == []


def test_a_denied_look_is_an_alarm(new_azure: NewAzure) -> None:
    """The role is missing where the VM is."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.script.next(RequestKind.VM_READ, refused(DENIED))
    with watched(azure) as logbook:
        azure.world.evict("render-1")
        azure.run_until(at("10:05"))
    [row] = logbook.ask("alarm-denied", at("10:05"))
    assert names([row]) == ["render-1"]
    assert row["reason"] == f"Azure refused to show {vm.vm_id}: AuthorizationFailed (denied): as Azure words it"


def test_a_denied_sweep_is_a_failure_of_the_app_that_says_so() -> None:
    """Here the function itself fails, with our own words in the exception."""
    logbook = Logbook()
    refusal = AzureRefusedError(failure(FailureKind.DENIED, "AuthorizationFailed"), "answer queries/sweep.kql")
    fail(logbook, 2, f"Result: Failure\nException: AzureRefusedError: {refusal}", function="sweep")
    [row] = logbook.ask("alarm-app-failures", at("10:30"))
    assert (row["what"], "(denied)" in row["reason"]) == ("sweep", True)


def fail(logbook: Logbook, times: int, told: str, *, function: str = "on_signal") -> None:
    """Write what the host writes when a function fails."""
    for number in range(times):
        time, operation = TEN + timedelta(minutes=number), f"{function}-{number}"
        logbook.add("AppRequests", time, Name=function, Success=False, OperationId=operation)
        outer = f"Exception while executing function: Functions.{function}"
        logbook.add("AppExceptions", time, OuterMessage=outer, InnermostMessage=told, OperationId=operation)


def test_a_function_that_fails_again_and_again_is_an_alarm_with_its_cause() -> None:
    """Once may be chance: the queue brings the message again. Each function is told by itself, with its cause."""
    told = "Result: Failure\nException: QueryResultError: queries/confirm.kql: the result lacks the column tags"
    logbook = Logbook()
    fail(logbook, 1, told)
    fail(logbook, 3, told, function="sweep")
    other = "Result: Failure\nException: SomeError: here as well"
    fail(logbook, 2, other, function="on_event")
    logbook.add("AppRequests", at("10:04"), Name="on_signal", Success=True, OperationId="on_signal-9")
    assert logbook.ask("alarm-app-failures", at("10:30")) == [
        {
            "TimeGenerated": at("10:01"),
            "what": "on_event",
            "failures": 2,
            "reason": other,
        },
        {"TimeGenerated": at("10:02"), "what": "sweep", "failures": 3, "reason": told},
    ]


def test_a_function_that_fails_without_a_word_is_an_alarm() -> None:
    """It ran out of time or memory: there is no exception of it."""
    logbook = Logbook()
    for minute in (1, 2):
        logbook.add("AppRequests", at(f"10:0{minute}"), Name="sweep", Success=False, OperationId=f"sweep-{minute}")
    [row] = logbook.ask("alarm-app-failures", at("10:30"))
    assert (row["what"], row["failures"]) == ("sweep", 2)


@pytest.mark.parametrize(
    ("exceptions", "traces", "told"),
    [
        (0, 1, None),
        (1, 0, None),
        (2, 0, "A host error has occurred during startup operation"),
        (0, 2, "Worker failed to index"),
        (1, 1, "Worker failed to index"),
    ],
    ids=["one log line", "one exception", "two exceptions", "two log lines", "one of each"],
)
def test_a_host_that_cannot_start_is_an_alarm(exceptions: int, traces: int, told: str | None) -> None:
    """A setting makes no sense: no function runs, so none fails; the host's own errors are all there is."""
    logbook = Logbook()
    for minute in range(exceptions):
        host_error = f"{'A host error' if minute else 'Some error'} has occurred during startup operation"
        logbook.add("AppExceptions", TEN + timedelta(minutes=minute), OuterMessage=host_error)
    for minute in range(traces):
        message = "Worker failed to index" if minute == traces - 1 else "some error"
        logbook.add("AppTraces", TEN + timedelta(minutes=minute), Message=message, SeverityLevel=3)
    logbook.add("AppExceptions", at("10:15"), OuterMessage="a function's", OperationId="operation-1")
    rows = logbook.ask("alarm-host-errors", at("10:20"))
    latest = TEN + timedelta(minutes=(traces or exceptions) - 1)
    found = {"TimeGenerated": latest, "failures": exceptions + traces, "reason": told}
    assert rows == ([found] if told else [])


def test_what_a_function_says_or_the_host_only_warns_of_is_no_trouble_of_the_host() -> None:
    """Errors of an operation have their own alarms, and a warning is none."""
    logbook = Logbook()
    for minute in (1, 2):
        time = at(f"10:0{minute}")
        logbook.add("AppTraces", time, Message="denied", SeverityLevel=3, OperationId="operation-1")
        logbook.add("AppExceptions", time, OuterMessage="failed", OperationId="operation-1")
        logbook.add("AppTraces", time, Message="Host is slow", SeverityLevel=2)
    assert logbook.ask("alarm-host-errors", at("10:20")) == []


def test_an_outcome_that_nobody_was_told_is_an_alarm(new_azure: NewAzure) -> None:
    """The outcomes topic denies us; the VM is restored all the same."""
    azure = new_azure()
    azure.add_vm()
    with watched(azure) as logbook:
        azure.world.evict("render-1")
        azure.run_until(at("10:00:20"))
        azure.script.next(RequestKind.OUTCOME, refused(DENIED))
        azure.run_until(at("10:05"))
    [row] = logbook.ask("alarm-unpublished", at("10:05"))
    assert names([row]) == ["render-1"]
    assert row["reason"].startswith("the outcome restored was not published")


def test_what_nobody_could_read_is_an_alarm_once_and_no_failure_of_the_app(new_azure: NewAzure) -> None:
    """The app says so at the first delivery; the host tries on and says when it moves the message."""
    azure = new_azure()
    with watched(azure) as logbook:
        azure.app.put("rubbish", timedelta())
        azure.run_until(at("10:05"))
    assert [type(error) for error in azure.failures] == [UnreadableEvent] * 5
    told = json.loads(logbook.rows["AppTraces"][0]["Message"])["reason"]
    fail(logbook, 5, f"Result: Failure\nException: UnreadableEvent: {told}")
    moved = "Message has reached MaxDequeueCount of 5. Moving message to queue 'signals-poison'."
    logbook.add("AppTraces", at("10:05"), Message=moved, SeverityLevel=2)
    agents = "Message has reached MaxDequeueCount of 5. Moving message to queue 'agents-poison'."
    logbook.add("AppTraces", at("10:05"), Message=agents, SeverityLevel=2)
    elsewhere = "Message has reached MaxDequeueCount of 5. Moving message to queue 'orders-poison'."
    logbook.add("AppTraces", at("10:05"), Message=elsewhere, SeverityLevel=2)
    logbook.add("AppTraces", at("10:05"), Message="Creating queue signals-poison", SeverityLevel=1)
    assert [row["reason"] for row in logbook.ask("alarm-poison", at("10:06"))] == [told, moved, agents]
    assert logbook.ask("alarm-app-failures", at("10:06")) == []


def test_an_agent_that_used_to_report_and_does_not_is_an_alarm(new_azure: NewAzure) -> None:
    """As the other problems with a name: by VM, as long as it lasts."""
    azure = new_azure()
    vm = azure.add_vm()
    with watched(azure) as logbook:
        azure.world.evict("render-1")
        agent_tells(azure, ready(vm.vm_id, at("10:02")), at("10:02") - TEN)
        azure.run_until(at("11:00"))
        azure.world.evict("render-1")
        azure.run_until(at("11:40"))
    assert logbook.ask("alarm-lasting", at("11:10")) == []
    row = logbook.ask("alarm-lasting", at("11:40"))[-1]
    assert (names([row]), row["needs"]) == (["render-1"], "agent-silent")
    assert row["reason"].startswith("its agent used to report")


def test_an_app_that_says_nothing_is_an_alarm_and_one_that_sweeps_is_none(new_azure: NewAzure) -> None:
    """Stopped after an hour of sweeps: an hour later there is no row, which fires this one alarm, as at the first."""
    assert Logbook().ask(SILENCE, TEN) == []
    azure = new_azure()
    with watched(azure) as logbook:
        azure.run_until(at("11:00"))
    assert [row["TimeGenerated"] for row in logbook.ask(SILENCE, at("11:10"))][-1] == at("11:00")
    assert logbook.ask(SILENCE, at("12:10")) == []


def test_one_sweep_an_hour_is_enough_and_other_lines_are_none() -> None:
    """The app may answer signals while its timer is stuck: then nobody looks for what no event told of."""
    logbook = Logbook()
    with logbook.written_by_the_app(lambda: TEN):
        log_sweep(0, 0, 0, NOTHING_TOLD)
    with logbook.written_by_the_app(lambda: at("11:00")):
        log_decision(situation(evicted(), None), Ignore("it is gone"), at("11:00"))
    assert [row["TimeGenerated"] for row in logbook.ask(SILENCE, at("10:59"))] == [TEN]
    assert logbook.ask(SILENCE, at("11:01")) == []
