"""Each scenario through the whole: world, Event Grid, Azurite, Microsoft's worker library, the SDKs, the world again.

Nothing is patched. The demo is played once; what is asked of it is asked here.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from localazure.demo import demo
from localazure.demo.jobs.work import ClaimEnd
from localazure.demo.scenarios import SCENARIOS, Scenario
from localazure.demo.timeline import app_lines
from localazure.event_grid.azure_events import PRIVATE_VALUES
from localazure.functions.shipped_log import shipped
from localazure.laptop import HOST_LOG

if TYPE_CHECKING:
    from pathlib import Path

    from localazure.demo.demo import Ending
    from localazure.demo.jobs.ending import JobsEnding
    from localazure.functions.shipped_log import Shipped


@dataclass(frozen=True)
class Played:
    """What a demo leaves behind."""

    endings: dict[str, Ending]
    jobs: JobsEnding
    lines: list[dict[str, Any]]
    log: str
    paid_for: list[Shipped]

    def said_of(self, name: str, event: str) -> list[dict[str, Any]]:
        """Give the app's log lines of one kind about one VM."""
        return [line for line in self.lines if line["event"] == event and line.get("vm", "").endswith(f"/{name}")]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Play the demo once for all tests here."""
    folder: Path = tmp_path_factory.mktemp("demo")
    ended = asyncio.run(demo.play(folder))
    log = folder / HOST_LOG
    lines, _ = app_lines(log)
    endings = {ending.player.name: ending for ending in ended.endings}
    return Played(endings, ended.jobs, lines, log.read_text(), shipped(log))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.title)
def test_each_vm_comes_to_its_expected_end(played: Played, scenario: Scenario) -> None:
    """Restored or left alone as it should be, with no more start requests than there may be."""
    endings = [played.endings[player.name] for player in scenario.players]
    assert [ending.row() for ending in endings if not ending.is_as_expected] == []


def test_evicted_with_capacity_there_is_one_start(played: Played) -> None:
    """Scenario 1: evicted, told by an event, one start request, running, told once."""
    row = played.endings["backup-1"].row()
    assert row["start_calls"] == 1
    times = [row[name] for name in ("evicted_at", "first_signal_at", "start_accepted_at", "running_at")]
    assert times == sorted(times, key=str)
    assert [line["outcome"] for line in played.said_of("backup-1", "decision") if "outcome" in line] == ["restored"]


def test_no_capacity_is_met_with_pauses(played: Played) -> None:
    """Scenario 2: refused at once, then inside the operation; no two starts of the pool closer than its pause."""
    refused = played.said_of("ci-runner-1", "start refused")
    assert [line["code"] for line in refused] == ["SkuNotAvailable"]
    # Chance has it which of the two tries the pool next.
    failed = [line for name in ("ci-runner-1", "ci-runner-2") for line in played.said_of(name, "start failed")]
    assert {line["code"] for line in failed} == {"AllocationFailed"}
    times = [call.at for call in played.endings["ci-runner-1"].machine.start_calls]
    shortest_pause = timedelta(seconds=0.9 * float(demo.APP_SETTINGS["CAPACITY_RETRY_SECONDS"]))
    assert all(later - earlier >= shortest_pause for earlier, later in pairwise(times))


def test_a_lost_event_is_made_up_for_by_the_sweep(played: Played) -> None:
    """Scenario 3: no event about it was delivered; the signal that opened its recovery was the sweep's."""
    assert played.endings["batch-1"].first_signal_at is None
    assert {line["signal"] for line in played.said_of("batch-1", "decision")} <= {"sweep_found", "follow_up"}


def test_many_tellings_of_one_eviction_are_one_start(played: Played) -> None:
    """Scenario 4: three events, one of them twice, and one start request."""
    told = Counter(line["detail"] for line in played.said_of("game-1", "decision") if "detail" in line)
    assert told["VirtualMachinePreempted"] == 2
    assert told["Unavailable"] <= 1  # that it is down is known by then: no decision is due
    assert told["Microsoft.Compute/virtualMachines/evictSpotVM/action"] == 1
    assert played.endings["game-1"].row()["start_calls"] == 1


def test_what_must_not_be_started_is_told_why(played: Played) -> None:
    """Scenario 5: each was looked at, and for each there is a reason an operator can read."""
    reasons = {name: played.endings[name].reason for name in ("untagged-1", "regular-1", "dev-box-1")}
    assert "no tag AttemptRestartAfterEviction=true" in reasons["untagged-1"]
    assert "not a Spot VM" in reasons["regular-1"]
    assert "its owner stopped it" in reasons["dev-box-1"]


def test_a_stale_graph_and_an_early_event_cost_nothing_but_a_look(played: Played) -> None:
    """Scenario 6: the graph says running all the time; looks before the start only wait, and the start rests on ARM."""
    decisions = played.said_of("render-1", "decision")
    start = next(index for index, each in enumerate(decisions) if each["decision"] == "start")
    assert {each["decision"] for each in decisions[:start]} <= {"wait"}
    assert decisions[start]["power_state"] == "deallocated"
    assert played.endings["render-1"].row()["start_calls"] == 1


def test_a_price_above_the_max_price_is_said(played: Played) -> None:
    """Scenario 7: refused for its price, waited, said so, and started when the price had fallen."""
    assert {line["code"] for line in played.said_of("cheap-1", "start refused")} == {
        "SpotPriceGreaterThanProvidedMaxPrice"
    }
    assert len(played.said_of("cheap-1", "start accepted")) == 1


def test_each_job_has_one_result_though_its_vms_are_evicted(played: Played) -> None:
    """Scenario 9: told 8 s before, 3 s before and not at all; what was begun is gone on with, and never twice."""
    work = played.jobs.work
    assert played.jobs.is_as_expected, played.jobs.summary()
    told = {away.vm: away.told_s is not None for away in work.away}
    assert told == {"work-1": True, "work-2": False, "work-3": True}
    ends = [claim.end for claim in work.claims]
    assert ends.count(ClaimEnd.FINISHED) == work.jobs
    assert ClaimEnd.OPEN not in ends
    early = {(claim.vm, claim.end) for claim in work.claims if claim.end is not ClaimEnd.FINISHED}
    # Where the machine is very busy, a job may come to its end before its worker sees the notice.
    given_back = early - {("work-2", ClaimEnd.CUT_OFF)}
    assert early - given_back
    assert given_back <= {("work-1", ClaimEnd.GIVEN_BACK), ("work-3", ClaimEnd.GIVEN_BACK)}
    assert [after.end for _, after in work.handovers()] == [ClaimEnd.FINISHED] * (len(ends) - work.jobs)


def test_no_job_is_claimed_after_a_notice_was_seen(played: Played) -> None:
    """The metadata service is asked each second: what is claimed in the second after the announcement is given back."""
    work = played.jobs.work
    for away in work.away:
        if away.told_s is not None:
            since = [claim.began_s for claim in work.claims if claim.vm == away.vm]
            assert [began for began in since if away.told_s + 2 < began < away.since_s] == []


def test_the_log_keeps_secrets_and_personal_data_to_itself(played: Played) -> None:
    """No claim, no address of a caller, no token and no operation's signed address is in the log."""
    assert [value for value in PRIVATE_VALUES if value in played.log] == []
    assert "/operations/" not in played.log
    assert "eyJ" not in played.log


def test_no_request_of_an_sdk_is_in_the_log_that_is_paid_for(played: Played) -> None:
    """What the worker sends to Application Insights are our own lines: nothing happens that a library would warn of."""
    assert {record.logger for record in played.paid_for} == {"spot_responder"}


def test_a_recovery_costs_no_more_log_than_the_operators_page_says(played: Played) -> None:
    """With its refusals, and with the looks at the VMs that are left alone: 10 KB for each at most."""
    restored = [ending for ending in played.endings.values() if ending.outcome == "restored"]
    assert 0 < sum(record.size for record in played.paid_for) / len(restored) <= 10_000


def test_nothing_goes_wrong_that_nobody_planned(played: Played) -> None:
    """No function failed, nothing was denied, no outcome stayed untold."""
    assert "failed" not in {line["event"] for line in played.lines}
    assert not {"unreadable", "outcome not published"} & {line["event"] for line in played.lines}
    assert "Traceback" not in played.log
