"""The queries that an operator reads and the workbook shows, run over the log lines that real stories leave behind."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from localazure.world.happenings import Annotated
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.situations import Close, Start
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.vms import VmId
from spot_responder.responder.log import log_decision, log_start_refused, log_sweep
from tests.docs.logged_stories import (
    ALARMS,
    D2,
    D4,
    DAY,
    NOTHING_TOLD,
    SHOWN,
    SILENCE,
    answers,
    lines,
    names,
    out_of_capacity,
    watched,
)
from tests.harness.agents import agent_tells, notice, ready
from tests.harness.log_analytics import QUERIES, REPOSITORY, Logbook
from tests.harness.makers import TEN, VM_ID, at, evicted, failure, recovery, situation, spot_vm

if TYPE_CHECKING:
    from tests.harness.stories import NewAzure

WORKBOOK = REPOSITORY / "infra" / "workbook" / "workbook.json"
NAMES = sorted(path.stem for path in QUERIES.glob("*.kql"))


def test_the_files_are_those_that_the_deployment_names() -> None:
    """Seven for the workbook, nine for the alarm rules."""
    assert sorted([*SHOWN, *ALARMS, SILENCE]) == NAMES


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
    """The VM that has waited longest stands at the top."""
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
def test_a_dry_run_that_looks_at_an_open_recovery_counts_nowhere_either(name: str) -> None:
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
    """A hundred VMs, down for 1 to 100 s: half were back within 50 s, 95 within 95 s. What is gone is not counted."""
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


def test_how_long_before_and_when_the_workload_went_on_are_told_where_an_agent_is(new_azure: NewAzure) -> None:
    """Two VMs with agents, one without: what is not known is counted as that, and never as nothing."""
    azure = new_azure()
    vms = [azure.add_vm(name) for name in ("a-1", "a-2", "b-1")]
    with watched(azure) as logbook:
        for vm, lead_s in zip(vms[:2], (20, 5), strict=True):
            seen_at = at("10:00:30") - timedelta(seconds=lead_s)
            agent_tells(azure, notice(vm.vm_id, seen_at), seen_at - TEN)
            ready_at = at("10:02:30") + timedelta(seconds=lead_s)
            agent_tells(azure, ready(vm.vm_id, ready_at), ready_at - TEN)
        azure.run_until(at("10:00:30"))
        for vm in vms:
            azure.world.evict(vm.name)
        azure.run_until(at("10:30"))
    monday = datetime(2026, 3, 2, tzinfo=TEN.tzinfo)
    [led] = logbook.ask("notice-lead", at("10:30"))
    assert (led["day"], led["noticed"], led["unknown"]) == (monday, 2, 1)
    assert (led["shortest_s"], led["longest_s"]) == (5, 20)
    [went_on] = logbook.ask("workload-ready", at("10:30"))
    assert (went_on["day"], went_on["ready"], went_on["longest_s"]) == (monday, 2, 140)


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
    assert logbook.ask("alarm-unrecovered", TEN + DAY + timedelta(hours=6)) == []


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
