"""The status page: what it says for each standing, and that nobody's text becomes its markup."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spot_responder.advised_command import CommandLine
from spot_responder.decisions.app_health.event_path import EventPath, EventPathState
from spot_responder.decisions.pools import PoolId
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.signals import SignalKind
from spot_responder.intake.vms import VmId
from spot_responder.operators.act import hold
from spot_responder.operators.views.dead_letters import QueueCounts, Unseen
from spot_responder.operators.views.figures import Count
from spot_responder.operators.views.status import Coverage, LimitedPool, PoolState, overview
from spot_responder.web.views.bar_chart import bar_chart
from spot_responder.web.views.page import MOST_CASES, status_page
from tests.harness.makers import POOLS, RECOVERIES, TEN, TIMES, VM_ID, accepted, at, failure, recovery

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.decisions.pools import PoolGate
    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.operators.views.status import Overview
    from tests.harness.stories import NewAzure

NOTHING = QueueCounts(0, 0, 0, 0, 0)
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "header", "section", "div", "h1", "h2", "h3", "p", "ul", "li"),
    *("span", "code", "dl", "dt", "dd", "svg", "text", "rect"),
}
EVIL = "<script>alert(1)</script>\"'&<img src=x onerror=alert(1)>"


class Reader(HTMLParser):
    """Reads a page as a browser does: its tags, its attributes, its text."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.text += f"{data}\n"


def read(said: Overview) -> Reader:
    """Write the page, and read it."""
    reader = Reader()
    reader.feed(status_page(said, CommandLine()))
    return reader


def quiet(now: datetime = TEN) -> Overview:
    """Give the overview of an app with nothing to do."""
    return overview([], [], [], NOTHING, now, coverage=Coverage(58, 2))


def test_a_quiet_night() -> None:
    """The first thing that is read: nothing is being recovered; and that nobody knows yet whether events arrive."""
    text = read(quiet()).text
    assert "Nothing is being recovered; whether events arrive is not known" in text
    assert "All is well" not in text
    assert "58 covered, 2 not" in text
    assert "2026-03-02 10:00:00; all times are UTC" in text
    assert "not known: no event opened a recovery in 7 days" in text
    assert "nobody was restored" in text


def test_vms_on_their_way_back_need_nobody(new_azure: NewAzure) -> None:
    """One waits for capacity: why, since when, and what comes next."""
    azure = new_azure()
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:01"))
    said = overview([azure.recovery()], [], [], NOTHING, azure.now)
    text = read(said).text
    assert "Nobody is needed: 1 VM waiting to be started" in text
    assert "no capacity for standard_d2s_v5 in westeurope (AllocationFailed)" in text
    assert "Azure said: AllocationFailed: " in text
    assert "down for 1 min 0 s, 1 start request, next look 10:0" in text
    assert "resource group rg-spot, subscription " in text


def test_of_a_mass_eviction_the_longest_down_are_shown_and_the_others_counted() -> None:
    """Sixty are down: fifty of them, and how to see all."""
    rows = [
        replace(recovery(), vm_id=replace(VM_ID, name=f"vm-{number}")).waiting(at("10:05"), "") for number in range(60)
    ]
    text = read(overview(rows, [], [], NOTHING, TEN)).text
    assert "Open recoveries: 60" in text
    assert "and 10 more: .venv/bin/spot-responder status" in text
    assert text.count("next look") == MOST_CASES


def test_what_needs_somebody_comes_first() -> None:
    """Denied: the headline says so, and the command that mends it."""
    row = accepted().refused(failure(FailureKind.DENIED), counts=True).waiting(at("11:00"), "Azure does not let us")
    unseen = Unseen("event-dead-letters", "DEAD_LETTERS_ENDPOINT is not set", "export …", is_wrong=False)
    said = overview([row], [], [], QueueCounts(4, 2, None, 0, 0, (unseen,)), at("10:30"))
    text = read(said).text
    assert "2 things need somebody" in text
    assert ".venv/bin/spot-responder explain " in text
    assert "2 messages in signals-poison: given up by the host" in text
    assert "could not look (DEAD_LETTERS_ENDPOINT is not set)" in text
    assert "1 thing needs somebody" in read(replace(said, problems=said.problems[:1])).text


def test_an_overdue_look_is_marked() -> None:
    """Its follow-up is lost, or the app does not run."""
    row = recovery().waiting(TEN, "because")
    assert "overdue" in read(overview([row], [], [], NOTHING, at("10:30"))).text
    never = replace(row, wake_at=None)
    assert "no look is due" in read(overview([never], [], [], NOTHING, at("10:30"))).text


def test_a_dry_run_and_a_held_vm_are_told(new_azure: NewAzure) -> None:
    """Both are reasons why nothing starts."""
    azure = new_azure()
    azure.add_vm()
    azure.do(hold(azure.ports().store, VmId.parse(azure.world.machine("render-1").vm_id), azure.now, lambda: "hold-1"))
    said = overview([azure.recovery()], [], [], NOTHING, azure.now, dry_run=True)
    text = read(said).text
    assert "DRY_RUN is true: nothing is started." in text
    assert "Held by an operator\nrender-1\nsince 2026-03-02 10:00:00" in text


@pytest.mark.parametrize(
    ("state", "closed_until", "told"),
    [
        (PoolState.CLOSED, at("10:04"), "closed until 10:04:00 (in 4 min 0 s)"),
        (PoolState.CLOSED, at("10:04") + timedelta(days=1), "closed until 2026-03-03 10:04:00 (in 1 d 0 h)"),
        (PoolState.DUE, at("9:59"), "its pause is over: the next VM probes it"),
        (PoolState.PROBING, at("9:59"), "probed by one VM"),
        (PoolState.OPENING, at("9:59"), "opening: 8 starts at once"),
    ],
)
def test_a_pool_says_how_its_gate_stands(state: PoolState, closed_until: datetime, told: str) -> None:
    """And how often it refused."""
    pool = LimitedPool(PoolId("s", "westeurope", "1", "standard_d2s_v5"), state, 3, closed_until, 1, 8)
    text = read(replace(quiet(), pools=(pool,))).text
    assert "standard_d2s_v5 in westeurope, zone 1" in text
    assert told in text
    assert "refused 3 times in a row, 1 start under way" in text


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (
            EventPath(EventPathState.WORKS, 5, 1, at("9:58"), None),
            "works: 5 recoveries opened by events, 1 by the sweep, in 7 days; the last event 09:58:00 (2 min 0 s ago)",
        ),
        (
            EventPath(EventPathState.SILENT, 0, 3, None, at("9:58")),
            "silent: 0 recoveries opened by events, 3 by the sweep",
        ),
    ],
)
def test_it_says_whether_events_arrive(path: EventPath, told: str) -> None:
    """A silent event path is the failure that nothing else shows."""
    assert told in read(replace(quiet(), event_path=path)).text


@pytest.mark.parametrize(("seconds", "told"), [(41, "half within 41 s"), (600, "half within 10 min")])
def test_times_to_restore_are_summed_up(seconds: float, told: str) -> None:
    """In words, beside the bars."""
    figures = replace(quiet().figures, median_restore_s=seconds, failures=(Count("capacity", 4),))
    text = read(replace(quiet(), figures=figures)).text
    assert told in text
    assert "capacity\n4" in text


def test_nobodys_text_becomes_markup() -> None:
    """A VM, a reason, a message of Azure's and a pool with markup in them: they are shown as they are written."""
    row = accepted().refused(failure(FailureKind.UNKNOWN, EVIL), counts=True).waiting(at("11:00"), EVIL)
    row = replace(row, vm_id=VmId(VM_ID.subscription_id, EVIL, EVIL), held_at=TEN)
    pool = LimitedPool(PoolId("s", EVIL, "", EVIL), PoolState.PROBING, 1, TEN, 0, 1)
    reader = read(replace(overview([row], [], [], NOTHING, TEN), pools=(pool,)))
    assert reader.tags <= ALLOWED
    assert not any(name.startswith("on") for name in reader.attributes)
    assert EVIL in reader.text


def test_pools_of_two_subscriptions_are_told_apart() -> None:
    """One size in one region, and two quotas: each with its subscription; a third that is alone without."""
    ids = [PoolId("sub-1", "we", "", "d2"), PoolId("sub-2", "we", "", "d2"), PoolId("sub-1", "we", "", "d4")]
    pools = tuple(LimitedPool(each, PoolState.CLOSED, 1, TEN, 0, 1) for each in ids)
    text = read(replace(quiet(), pools=pools)).text
    assert "d2 in we, subscription sub-1" in text
    assert "d2 in we, subscription sub-2" in text
    assert "d4 in we, " not in text


def test_a_chart_says_its_numbers_in_words() -> None:
    """For who cannot see it; and it is as high as it has bars."""
    chart = bar_chart("Evictions a day", [Count("Mon", 2), Count("<b>", 0)])
    assert 'aria-label="Evictions a day. Mon: 2, &lt;b&gt;: 0"' in chart
    assert 'viewBox="0 0 260 48"' in chart
    assert bar_chart("Nothing", []).count("<rect") == 0


@settings(deadline=None)
@given(st.lists(RECOVERIES, max_size=3), st.lists(RECOVERIES, max_size=3), st.lists(POOLS, max_size=3), TIMES)
def test_whatever_the_rows_there_is_a_page(
    rows: list[Recovery], history: list[Recovery], pools: list[PoolGate], now: datetime
) -> None:
    """Of nothing but its own tags, with no script in it and nothing from elsewhere."""
    reader = read(overview(rows, history, pools, NOTHING, now))
    assert reader.tags <= ALLOWED
    assert not reader.attributes & {"src", "href", "onload", "style"}


def test_its_signal_kinds_are_no_secret() -> None:
    """An eviction that the sweep found is counted as one."""
    row = replace(recovery(), opened_by=SignalKind.SWEEP_FOUND, opened_at=TEN + timedelta(minutes=10))
    assert "silent: 0 recoveries opened by events, 1 by the sweep" in read(overview([row], [], [], NOTHING, TEN)).text
