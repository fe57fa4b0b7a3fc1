"""The operator's queries, run over the log lines that real stories leave behind."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from localazure.virtual.wire import RequestKind
from localazure.world.happenings import ActionSucceeded, Annotated, AvailabilityChanged
from spot_responder.decisions.event_path import EventPath, EventPathState, event_path
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.situations import Close, Ignore, Start
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.payloads import UnreadableEvent
from spot_responder.intake.signals import SignalKind
from spot_responder.intake.vms import VmId
from spot_responder.operators.act import hold, retry
from spot_responder.operators.views.dead_letters import QueueCounts
from spot_responder.operators.views.status import overview
from spot_responder.responder.log import log_decision, log_start_refused, log_sweep
from spot_responder.responder.ports import AzureRefusedError
from tests.harness.log_analytics import QUERIES, REACHES, REPOSITORY, Logbook
from tests.harness.makers import TEN, VM_ID, at, evicted, failure, recovery, situation, spot_vm
from tests.harness.stories import DENIED, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.harness.stories import NewAzure, StoryAzure

PAYLOADS = REPOSITORY / "tests" / "payloads" / "events"
WORKBOOK = REPOSITORY / "infra" / "workbook" / "workbook.json"
NAMES = sorted(path.stem for path in QUERIES.glob("*.kql"))
SHOWN = ["evictions", "failures-by-kind", "failures-by-pool", "open-recoveries", "time-to-restore"]
SILENCE = "alarm-app-silent"
ALARMS = sorted(REACHES.keys() - {SILENCE})
MACHINES = ("render-1", "Render-2")
D2 = "standard_d2s_v5 in westeurope"
D4 = "standard_d4s_v5 in westeurope"
DAY = timedelta(days=1)
NOTHING_TOLD = EventPath(EventPathState.QUIET, 0, 0, None, None)


@contextmanager
def watched(azure: StoryAzure) -> Iterator[Logbook]:
    """Keep the log of what the app does in this Azure."""
    logbook = Logbook()
    with logbook.written_by_the_app(lambda: azure.now):
        yield logbook


type Act = Callable[[StoryAzure, VmId], None]


def hold_it(azure: StoryAzure, vm_id: VmId) -> None:
    """Hold a VM."""
    azure.do(hold(azure.ports().store, vm_id, azure.now, lambda: "hold-1"))


def ask_for_it(azure: StoryAzure, vm_id: VmId) -> None:
    """Ask for a look at a VM that is down for an unknown reason: a recovery that no event told of, and no sweep."""
    azure.world.stop_by_owner(vm_id.name)
    azure.run_until(azure.now + timedelta(minutes=1))
    azure.do(retry(azure.ports().queue, vm_id, azure.now, lambda: "retry-1"))


def out_of_capacity(azure: StoryAzure, name: str = "render-1", size: str = "Standard_D2s_v5") -> None:
    """Evict a VM for which there is no capacity any more."""
    azure.add_vm(name, size=size)
    azure.world.set_capacity(azure.pool_key(name), 0)
    azure.world.evict(name)


def lines(logbook: Logbook, event: str) -> list[dict[str, Any]]:
    """Give the product's own lines of one kind."""
    told = [json.loads(row["Message"]) for row in logbook.rows["AppTraces"]]
    return [line for line in told if line["event"] == event]


def names(rows: list[dict[str, Any]]) -> list[str]:
    """Give the VMs' names of a result."""
    return [row["vm"].rpartition("/")[2] for row in rows]


def test_the_files_are_those_that_the_deployment_names() -> None:
    """Five for the workbook, nine for the alarm rules."""
    assert sorted([*SHOWN, *ALARMS, SILENCE]) == NAMES


def answers(logbook: Logbook, name: str, *times: datetime) -> list[dict[str, Any]]:
    """Ask at several times, as an alarm's rule does, and give all that was ever found."""
    return [row for time in times for row in logbook.ask(name, time)]


@pytest.mark.parametrize("name", [*SHOWN, *ALARMS])
def test_a_quiet_day_shows_nothing_and_alarms_nobody(name: str, new_azure: NewAzure) -> None:
    """No line at all is no alarm, and neither are VMs that nobody covers."""
    assert Logbook().ask(name, TEN) == []
    azure = new_azure()
    azure.add_vm("untagged", tags={})
    azure.add_vm("mine")
    with watched(azure) as logbook:
        azure.world.evict("untagged")
        azure.world.stop_by_owner("mine")
        azure.run_until(TEN + DAY + DAY)
    assert logbook.rows["AppTraces"]
    assert answers(logbook, name, at("10:10"), at("10:30"), TEN + DAY + DAY) == []


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


def test_an_eviction_counts_once_however_many_signals_tell_of_it(new_azure: NewAzure) -> None:
    """By day and pool: two on Monday in one pool, one on Tuesday in another."""
    azure = new_azure()
    for name, size in (("a-1", "Standard_D2s_v5"), ("a-2", "Standard_D2s_v5"), ("b-1", "Standard_D4s_v5")):
        azure.add_vm(name, size=size)
    with watched(azure) as logbook:
        azure.world.evict("a-1")
        azure.world.evict("a-2")
        azure.run_until(TEN + DAY)
        azure.world.evict("b-1")
        azure.run_until(TEN + DAY + DAY)
    monday = datetime(2026, 3, 2, tzinfo=TEN.tzinfo)
    assert logbook.ask("evictions", TEN + DAY + DAY) == [
        {"day": monday, "pool": D2, "evictions": 2},
        {"day": monday + DAY, "pool": D4, "evictions": 1},
    ]


def test_an_eviction_counts_on_its_own_day_however_long_it_takes(new_azure: NewAzure) -> None:
    """Evicted on Monday, back on Tuesday: Monday's."""
    azure = new_azure()
    with watched(azure) as logbook:
        out_of_capacity(azure)
        azure.run_until(TEN + timedelta(hours=20))
        azure.world.set_capacity(azure.pool_key(), None)
        azure.run_until(TEN + DAY)
    assert azure.history
    monday = datetime(2026, 3, 2, tzinfo=TEN.tzinfo)
    assert [row["day"] for row in logbook.ask("evictions", TEN + DAY)] == [monday]


def test_open_recoveries_are_shown_longest_first(new_azure: NewAzure) -> None:
    """Whoever has waited longest stands at the top."""
    azure = new_azure()
    with watched(azure) as logbook:
        for clock, name in (("10:00", "second"), ("10:20", "first"), ("10:40", "third")):
            azure.run_until(at(clock))
            out_of_capacity(azure, name)
        azure.run_until(at("11:00"))
    assert names(logbook.ask("open-recoveries", at("11:00"))) == ["second", "first", "third"]


def test_a_vm_that_was_down_already_when_it_was_tagged_is_no_eviction(new_azure: NewAzure) -> None:
    """It is started, as its owner asks, but nobody evicted it."""
    azure = new_azure()
    azure.add_vm(power_state="deallocated")
    azure.script.lost = lambda happening: isinstance(happening, Annotated)
    with watched(azure) as logbook:
        azure.run_until(at("10:30"))
    assert lines(logbook, "start accepted")
    assert logbook.ask("evictions", at("10:30")) == []


def test_a_dry_run_counts_nowhere(new_azure: NewAzure) -> None:
    """It decides and logs, but nothing happened. Its sweeps show that it is alive, as ever."""
    azure = new_azure(dry_run=True)
    azure.add_vm()
    azure.script.lost = lambda happening: happening.vm_id == azure.world.machine("render-1").vm_id
    azure.add_vm("heard-1")
    with watched(azure) as logbook:
        azure.world.evict("render-1")
        azure.run_until(at("11:30"))
        azure.world.evict("heard-1")
        azure.run_until(TEN + DAY + DAY)
    assert [line["decision"] for line in lines(logbook, "decision") if line.get("dry_run")]
    moments = (at("11:15"), at("12:00"), TEN + DAY + DAY)
    assert {name for name in NAMES if answers(logbook, name, *moments)} == {SILENCE}


@pytest.mark.parametrize("name", [*SHOWN, *ALARMS])
def test_a_dry_run_that_looks_at_an_open_case_counts_nowhere_either(name: str) -> None:
    """It was switched on while the recovery was open, and says what it would have done, for a day and longer."""
    case = recovery()
    seen = situation(evicted(), spot_vm(), case)
    logbook = Logbook()
    for hours in (0, 25):
        time = TEN + timedelta(hours=hours)
        with logbook.written_by_the_app(lambda time=time: time):  # type: ignore[misc]
            log_decision(seen, Start(spot_vm(), "evicted"), time, case, dry_run=True)
    with logbook.written_by_the_app(lambda: TEN + timedelta(hours=26)):
        log_sweep(0, 0, 1, NOTHING_TOLD)
    assert logbook.ask(name, TEN + timedelta(hours=26)) == []
    restored = Close(Outcome.RESTORED, "it runs again")
    with logbook.written_by_the_app(lambda: TEN + timedelta(hours=26)):
        log_decision(seen, restored, TEN + timedelta(hours=26), replace(case, down_since=TEN), dry_run=True)
    assert logbook.ask(name, TEN + timedelta(hours=26)) == []


def test_time_to_restore_is_from_the_eviction_to_the_vm_seen_running(new_azure: NewAzure) -> None:
    """Two back within the minute, one after an hour without capacity."""
    azure = new_azure()
    azure.add_vm("quick-1", size="Standard_F2s_v2")
    azure.add_vm("quick-2", size="Standard_F4s_v2")
    with watched(azure) as logbook:
        azure.world.evict("quick-1")
        azure.world.evict("quick-2")
        out_of_capacity(azure)
        azure.run_until(at("11:00"))
        azure.world.set_capacity(azure.pool_key(), None)
        azure.run_until(at("12:00"))
    [row] = logbook.ask("time-to-restore", at("12:00"))
    assert row["restored"] == 3
    assert 30 <= row["median_s"] <= 60
    assert 3600 <= row["longest_s"] <= 4700
    assert row["median_s"] < row["p95_s"] <= row["longest_s"]


def test_time_to_restore_tells_the_usual_the_slow_and_the_slowest() -> None:
    """A hundred VMs, down for 1 to 100 s: half were back within 50 s, 95 within 95 s. Who is gone is not counted."""
    logbook = Logbook()
    for seconds in range(1, 101):
        back = at("12:00") + timedelta(seconds=seconds)
        case = replace(recovery(), down_since=at("12:00"))
        with logbook.written_by_the_app(lambda back=back: back):  # type: ignore[misc]
            log_decision(situation(evicted(), None), Close(Outcome.RESTORED, "it runs again"), back, case)
            log_decision(situation(evicted(), None), Close(Outcome.GONE, "it is gone"), back, recovery())
    [row] = logbook.ask("time-to-restore", at("13:00"))
    assert (row["restored"], row["longest_s"]) == (100, 100)
    assert row["median_s"] == pytest.approx(50, abs=1)
    assert row["p95_s"] == pytest.approx(95, abs=1)


def test_open_recoveries_are_shown_with_what_they_wait_for_until_they_end(new_azure: NewAzure) -> None:
    """While there is no capacity: since when, why, until when. Once it runs: no more."""
    azure = new_azure()
    with watched(azure) as logbook:
        out_of_capacity(azure)
        azure.run_until(at("10:30"))
        [row] = logbook.ask("open-recoveries", at("10:30"))
        azure.world.set_capacity(azure.pool_key(), None)
        azure.run_until(at("12:00"))
    assert names([row]) == ["render-1"]
    assert (row["pool"], row["decision"]) == (D2, "wait")
    assert row["reason"].startswith(("no capacity for", "no capacity just now", "its turn", "it is"))
    assert row["since"] < at("10:01")
    assert row["until"] > at("10:30")
    assert logbook.ask("open-recoveries", at("12:00")) == []


def test_an_owners_wish_that_is_remembered_is_no_open_recovery(new_azure: NewAzure) -> None:
    """Its row is kept, but nobody works on it."""
    azure = new_azure()
    azure.add_vm()
    with watched(azure) as logbook:
        azure.world.stop_by_owner("render-1")
        azure.run_until(at("11:00"))
    assert logbook.ask("open-recoveries", at("11:00")) == []


def test_a_vm_that_is_gone_when_its_start_is_asked_for_leaves_nothing_open(new_azure: NewAzure) -> None:
    """The look after it finds no VM: no open recovery, and no alarm a day later."""
    azure = new_azure()
    azure.add_vm()
    azure.world.refuse_next_start("render-1", "ResourceNotFound", "It is gone.", HTTPStatus.NOT_FOUND)
    with watched(azure) as logbook:
        azure.world.evict("render-1")
        azure.run_until(at("10:00:40"))
        azure.world.delete("render-1")
        azure.run_until(TEN + DAY + timedelta(hours=6))
    assert logbook.ask("open-recoveries", at("10:02")) == []
    assert logbook.ask("alarm-gave-up", TEN + DAY + timedelta(hours=6)) == []


def test_refused_starts_are_counted_by_kind_and_by_pool(new_azure: NewAzure) -> None:
    """Capacity in two pools, and a price."""
    azure = new_azure()
    with watched(azure) as logbook:
        out_of_capacity(azure, "a-1")
        azure.world.evict(azure.add_vm("a-2").name)
        out_of_capacity(azure, "b-1", "Standard_D4s_v5")
        vm = azure.add_vm("cheap-1", size="Standard_D16s_v5", max_price=0.05)
        azure.world.set_price(vm.size, vm.location, 0.09)
        azure.world.evict("cheap-1")
        azure.run_until(at("10:50"))
    kinds = {row["failure"]: row for row in logbook.ask("failures-by-kind", at("10:50"))}
    assert {kind: row["code"] for kind, row in kinds.items()} == {
        "capacity": "AllocationFailed",
        "price": "SpotPriceGreaterThanProvidedMaxPrice",
    }
    assert kinds["price"]["failures"] == 1
    pools = {(row["pool"], row["failure"]): row for row in logbook.ask("failures-by-pool", at("10:50"))}
    assert pools.keys() == {(D2, "capacity"), (D4, "capacity"), ("standard_d16s_v5 in westeurope", "price")}
    assert pools[D2, "capacity"]["failures"] + pools[D4, "capacity"]["failures"] == kinds["capacity"]["failures"]
    assert pools[D4, "capacity"]["vms"] == 1


@pytest.mark.parametrize("name", ["failures-by-kind", "failures-by-pool"])
def test_a_vm_that_is_refused_again_and_again_is_one_vm(name: str) -> None:
    """However often it is refused, and however its id is spelt; the latest refusal is told."""
    logbook = Logbook()
    shouting = VmId(VM_ID.subscription_id.upper(), VM_ID.resource_group.upper(), VM_ID.name.upper())
    for minute, vm_id in enumerate([VM_ID, VM_ID, shouting, replace(VM_ID, name="render-2")]):
        with logbook.written_by_the_app(lambda minute=minute: TEN + timedelta(minutes=minute)):  # type: ignore[misc]
            log_start_refused(
                situation(replace(evicted(), vm_id=vm_id), spot_vm()), recovery(), failure(FailureKind.CAPACITY)
            )
    [row] = logbook.ask(name, at("11:00"))
    assert (row["failures"], row["vms"], row["latest"]) == (4, 2, at("10:03"))


def test_a_pool_is_that_of_the_latest_decision_about_the_vm(new_azure: NewAzure) -> None:
    """Its owner gave it another size: what is refused after that is refused in the new pool."""
    azure = new_azure()
    with watched(azure) as logbook:
        out_of_capacity(azure)
        azure.run_until(at("10:10"))
        azure.world.machine("render-1").size = "Standard_D4s_v5"
        azure.world.set_capacity(azure.pool_key(), 0)
        azure.run_until(at("11:00"))
    assert [row["pool"] for row in logbook.ask("failures-by-pool", at("11:00"))] == [D4]


def test_the_pool_of_a_vm_that_is_gone_is_still_known(new_azure: NewAzure) -> None:
    """The last decision about it names none."""
    azure = new_azure()
    with watched(azure) as logbook:
        out_of_capacity(azure)
        azure.run_until(at("10:30"))
        azure.world.delete("render-1")
        azure.run_until(at("11:30"))
    assert "pool" not in lines(logbook, "decision")[-1]
    assert [row["pool"] for row in logbook.ask("failures-by-pool", at("11:30"))] == [D2]


@pytest.mark.parametrize(("hours", "alarmed"), [(23, []), (25, ["render-1"]), (24 * 5, ["render-1"])])
def test_a_recovery_open_for_longer_than_a_day_is_an_alarm(hours: int, alarmed: list[str], new_azure: NewAzure) -> None:
    """And stays one, though the rule looks two days back and no further."""
    azure = new_azure()
    now = TEN + timedelta(hours=hours)
    with watched(azure) as logbook:
        out_of_capacity(azure)
        azure.run_until(now)
    rows = logbook.ask("alarm-gave-up", now)
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
    rows = logbook.ask("alarm-gave-up", TEN + timedelta(hours=31))
    assert sorted(row["vm"] for row in rows) == sorted(azure.world.machine(name).vm_id.lower() for name in MACHINES)
    assert all(row["TimeGenerated"] > TEN + timedelta(hours=29) for row in rows)
    assert {(row["failure"], row["attempts"] > 20) for row in rows} <= {("capacity", True), ("", True)}


def test_a_recovery_that_nobody_has_spoken_of_for_two_days_is_no_alarm(new_azure: NewAzure) -> None:
    """The app was stopped meanwhile, or told to start nothing: that is what other alarms are for."""
    azure = new_azure()
    with watched(azure) as logbook:
        out_of_capacity(azure)
        azure.run_until(TEN + DAY)
    query = (QUERIES / "alarm-gave-up.kql").read_text(encoding="utf-8")
    assert names(logbook.ask("alarm-gave-up", TEN + DAY + timedelta(hours=1))) == ["render-1"]
    assert logbook.run(query, TEN + DAY * 3 + timedelta(hours=1)) == []


def test_a_recovery_that_took_longer_than_a_day_and_ended_is_no_alarm_any_more(new_azure: NewAzure) -> None:
    """Capacity came back in the end."""
    azure = new_azure()
    with watched(azure) as logbook:
        out_of_capacity(azure)
        azure.run_until(TEN + DAY)
        azure.world.set_capacity(azure.pool_key(), None)
        azure.run_until(TEN + DAY + timedelta(hours=2))
    assert logbook.ask("alarm-gave-up", TEN + DAY + timedelta(hours=2)) == []


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


def test_the_event_path_is_silent_when_only_the_sweep_finds_evictions(new_azure: NewAzure) -> None:
    """All events are lost; the sweep of 10:15 finds both VMs, and that they were evicted."""
    azure = new_azure()
    subscription = azure.add_vm().subscription_id
    azure.add_vm("render-2")
    azure.script.lost = lambda _: True
    with watched(azure) as logbook:
        azure.world.evict("render-1")
        azure.world.evict("render-2")
        azure.run_until(at("11:00"))
    rows = answers(logbook, "alarm-event-path-silent", at("10:16"), at("10:31"), at("11:01"))
    # The sweep of 10:15 puts the finds on the queue; the next one sees what came of them.
    assert [(row["subscription"], row["vms"]) for row in rows] == [(subscription, 2)] * 2
    assert at("10:30") <= rows[0]["TimeGenerated"] < at("10:30:05")


def silent_path(azure: StoryAzure, logbook: Logbook) -> tuple[int, int, int]:
    """Give in how many subscriptions no events arrive: as the page, the newest sweep and the alarm say it."""
    rows = [stored.value for stored in azure.do(azure.ports().store.all_recoveries())]
    page = overview(rows, azure.history, [], QueueCounts(0, 0, 0), azure.now)
    newest = max(line["TimeGenerated"] for line in logbook.rows["AppTraces"] if '"event": "sweep"' in line["Message"])
    logged = [
        line
        for line in logbook.rows["AppTraces"]
        if '"event path silent"' in line["Message"] and line["TimeGenerated"] >= newest
    ]
    return len(page.event_path.silent), len(logged), len(logbook.ask("alarm-event-path-silent", azure.now))


@pytest.mark.parametrize("act", [hold_it, ask_for_it])
def test_page_log_and_alarm_say_the_same_whatever_an_operator_does(act: Act, new_azure: NewAzure) -> None:
    """A hold or a retry within the day is no event: it silences none of them, and an event ends it for all three."""
    azure = new_azure()
    azure.add_vm()
    other = azure.add_vm("other")
    azure.script.lost = lambda _: True
    with watched(azure) as logbook:
        azure.world.evict("render-1")
        azure.run_until(at("10:20"))
        act(azure, VmId.parse(other.vm_id))
        azure.run_until(at("10:46"))
        assert silent_path(azure, logbook) == (1, 1, 1)
        azure.run_until(TEN + timedelta(hours=20))
        assert silent_path(azure, logbook) == (1, 1, 1)
        azure.script.lost = lambda _: False
        azure.world.evict("render-1")
        azure.run_until(TEN + timedelta(hours=22))
        assert silent_path(azure, logbook) == (0, 0, 0)
        azure.run_until(TEN + timedelta(days=8))
        assert silent_path(azure, logbook) == (0, 0, 0)


def test_a_vm_that_is_still_going_down_when_the_sweep_finds_it_counts_as_well(new_azure: NewAzure) -> None:
    """The sweep's decision is then to wait, not to start."""
    azure = new_azure()
    azure.add_vm()
    azure.script.lost = lambda _: True
    azure.script.tells_power_state = False
    with watched(azure) as logbook:
        azure.world.evict("render-1")
        azure.run_until(at("10:31"))
    assert [line["decision"] for line in lines(logbook, "decision") if line["source"] == "sweep"] == ["wait"]
    assert [row["vms"] for row in logbook.ask("alarm-event-path-silent", at("10:31"))] == [1]


def test_the_path_of_one_subscription_may_be_silent_while_others_are_heard(new_azure: NewAzure) -> None:
    """Each has topics of its own: that one's events arrive says nothing of the other's."""
    azure = new_azure()
    silent = "22222222-2222-4222-8222-222222222222"
    azure.add_vm("heard-1")
    lost = azure.add_vm("lost-1", subscription_id=silent).vm_id
    azure.script.lost = lambda happening: happening.vm_id == lost
    with watched(azure) as logbook:
        azure.world.evict("heard-1")
        azure.world.evict("lost-1")
        azure.run_until(at("10:40"))
    assert [row["subscription"] for row in logbook.ask("alarm-event-path-silent", at("10:40"))] == [silent]


HEARD = {
    "health_annotation": lambda happening: isinstance(happening, Annotated),
    "availability_status": lambda happening: isinstance(happening, AvailabilityChanged),
    "arm_operation": lambda happening: isinstance(happening, ActionSucceeded),
}


@pytest.mark.parametrize("source", [*HEARD, "scheduled_event"])
def test_an_event_of_any_source_about_a_covered_vm_shows_that_the_path_is_open(
    source: str, new_azure: NewAzure
) -> None:
    """Of another VM, later than the find: one topic is enough to hear."""
    azure = new_azure()
    lost = azure.add_vm().vm_id
    other = azure.add_vm("other")
    azure.script.lost = lambda happening: happening.vm_id == lost or not HEARD.get(source, lambda _: False)(happening)
    with watched(azure) as logbook:
        azure.world.evict("render-1")
        azure.run_until(at("10:31"))
        assert len(logbook.ask("alarm-event-path-silent", at("10:31"))) == 1
        azure.world.stop_by_owner("other")
        if source == "scheduled_event":
            azure.handle(scheduled_event(other.vm_id))
        azure.run_until(at("12:00"))
    assert source in {line["source"] for line in lines(logbook, "decision")}
    assert logbook.ask("alarm-event-path-silent", at("12:00")) == []


def scheduled_event(vm_id: str) -> dict[str, Any]:
    """Give our payload of a scheduled event, about another VM."""
    event = json.loads((PAYLOADS / "scheduled_preempt_completed_cloudevent.json").read_text(encoding="utf-8"))
    event["subject"] = vm_id
    event["data"]["resourceInfo"]["id"] = vm_id
    return dict(event)


def test_ids_are_the_same_in_any_spelling() -> None:
    """A VM that the sweep takes up twice is one VM, and its subscription's events are heard."""
    calm = replace(VM_ID, subscription_id="aaaaaaaa-1111-4111-8111-111111111111")
    loud = VmId(calm.subscription_id.upper(), calm.resource_group.upper(), calm.name.upper())
    case = replace(recovery(), opened_by=SignalKind.SWEEP_FOUND, opened_at=at("10:15"))
    found = [replace(case, vm_id=vm_id, recovery_id=str(vm_id)) for vm_id in (calm, loud)]
    heard = replace(recovery(at("10:20")), vm_id=loud)
    logbook = Logbook()
    with logbook.written_by_the_app(lambda: at("10:30")):
        log_sweep(0, 0, 0, event_path(found, at("10:30")))
    assert [row["vms"] for row in logbook.ask("alarm-event-path-silent", at("10:40"))] == [1]
    assert event_path([*found, heard], at("10:30")).silent == ()


def test_a_case_that_events_opened_is_not_one_that_they_missed(new_azure: NewAzure) -> None:
    """Its follow-up was lost, and the sweep takes it up an hour later, when no event has come for long: no alarm."""
    azure = new_azure()
    with watched(azure) as logbook:
        out_of_capacity(azure)
        azure.run_until(at("10:10"))
        azure.script.lost = lambda _: True
        azure.run_until(at("11:40"))
        azure.app.clear_messages()
        azure.run_until(at("12:20"))
    swept = [line for line in lines(logbook, "decision") if line["source"] == "sweep"]
    assert {(line["opened_by"], line["evidence"]) for line in swept} == {("evicted", "evicted")}
    assert logbook.ask("alarm-event-path-silent", at("12:20")) == []


def test_a_vm_down_for_an_unknown_reason_says_nothing_of_the_event_path(new_azure: NewAzure) -> None:
    """Somebody tagged a VM that had long been deallocated: no event was due."""
    azure = new_azure()
    azure.add_vm(power_state="deallocated")
    azure.script.lost = lambda happening: isinstance(happening, Annotated)
    with watched(azure) as logbook:
        azure.run_until(at("10:16"))
    assert azure.recovery().is_open
    assert logbook.ask("alarm-event-path-silent", at("10:16")) == []


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
    elsewhere = "Message has reached MaxDequeueCount of 5. Moving message to queue 'orders-poison'."
    logbook.add("AppTraces", at("10:05"), Message=elsewhere, SeverityLevel=2)
    logbook.add("AppTraces", at("10:05"), Message="Creating queue signals-poison", SeverityLevel=1)
    assert [row["reason"] for row in logbook.ask("alarm-poison", at("10:06"))] == [told, moved]
    assert logbook.ask("alarm-app-failures", at("10:06")) == []


def test_the_workbook_shows_these_very_queries() -> None:
    """Each part embeds the text of its file, whole, and goes by the time that the reader chose."""
    workbook = json.loads(WORKBOOK.read_text(encoding="utf-8"))
    parts = {item["name"]: item["content"] for item in workbook["items"] if item["type"] == 3}
    assert sorted(parts) == SHOWN
    times = [one["name"] for item in workbook["items"] if item["type"] == 9 for one in item["content"]["parameters"]]
    for name, part in parts.items():
        assert part["query"] == (QUERIES / f"{name}.kql").read_text(encoding="utf-8"), name
        assert [part["timeContextFromParameter"]] == times


def test_the_workbook_holds_no_address_of_anybodys() -> None:
    """It asks the workspace that the deployment links it to."""
    assert "/subscriptions/" not in WORKBOOK.read_text(encoding="utf-8").lower()


@pytest.mark.parametrize("name", SHOWN)
def test_what_the_workbook_shows_leaves_the_time_to_its_reader(name: str) -> None:
    """A time in the query would silently cut off what the reader asked for."""
    assert "ago(" not in (QUERIES / f"{name}.kql").read_text(encoding="utf-8")


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
