"""What operators see of what agents told: how long before, when the workload went on, and whose agent is silent."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from spot_responder.advised_command import CommandLine
from spot_responder.commands.history import as_csv
from spot_responder.commands.history import render as render_history
from spot_responder.commands.status import render as render_status
from spot_responder.operators.views.dead_letters import QueueCounts
from spot_responder.operators.views.figures import figures, how_agents_told
from spot_responder.operators.views.history import By, history
from spot_responder.operators.views.status import overview
from spot_responder.terminal.console import Console
from spot_responder.web.views.page import status_page
from tests.harness.agents import agent_tells, maintenance, notice, ready
from tests.harness.makers import TEN, at
from tests.operators.views.explained import explained

if TYPE_CHECKING:
    from spot_responder.operators.views.status import Overview
    from tests.harness.stories import NewAzure, StoryAzure

NOTHING = QueueCounts(0, 0, 0, 0, 0)


def plain(azure: StoryAzure) -> Console:
    """Give a console without colours."""
    return Console(azure.now, UTC)


def seen(azure: StoryAzure) -> Overview:
    """Give what status shows."""
    rows = [azure.recovery(machine.name) for machine in azure.world.machines()]
    return overview(rows, azure.history, [], NOTHING, azure.now)


def told_of(new_azure: NewAzure, *, without_agents: bool = False) -> StoryAzure:
    """Noticed at 10:00:10, evicted at 10:00:30, back, and its workload goes on at 10:02:30; nobody told more."""
    azure = new_azure()
    vm = azure.add_vm()
    if not without_agents:
        agent_tells(azure, notice(vm.vm_id, at("10:00:10")), at("10:00:10") - TEN)
        agent_tells(azure, ready(vm.vm_id, at("10:02:30")), at("10:02:31") - TEN)
    azure.run_until(at("10:00:30"))
    azure.world.evict("render-1")
    return azure


def test_the_figures_of_the_last_days(new_azure: NewAzure) -> None:
    """Half of one notice came 20 s ahead, and one workload went on after two minutes."""
    azure = told_of(new_azure)
    azure.run_until(at("10:10"))
    assert how_agents_told(figures(azure.history, azure.now)) == (
        "half of 1 came 20 s ahead or more",
        "half of 1 within 2 min 0 s",
    )
    written = render_status(seen(azure), plain(azure))
    assert "notice before an eviction: half of 1 came 20 s ahead or more" in written
    page = status_page(seen(azure), CommandLine())
    assert "half of 1 within 2 min 0 s" in page


def test_where_no_agent_told_anything_it_is_unknown_and_not_nought(new_azure: NewAzure) -> None:
    """In the figures, in status, on the page, and in the history."""
    azure = told_of(new_azure, without_agents=True)
    azure.run_until(at("10:10"))
    said = figures(azure.history, azure.now)
    assert (said.notice_leads, said.ready_times, how_agents_told(said)) == ((), (), ("unknown", "unknown"))
    line = "told by agents in the VMs: notice before an eviction: unknown; time to workload ready: unknown"
    assert line in render_status(seen(azure), plain(azure))
    page = status_page(seen(azure), CommandLine())
    assert '<h3>Time to workload ready</h3><p class="soft">unknown</p></div>' in page
    counted = history(azure.history, TEN.date(), TEN.date(), By.DAY)
    assert (counted.total.median_notice_s, counted.total.median_ready_s) == (None, None)


def test_the_history_has_both_times(new_azure: NewAzure) -> None:
    """In the table and in the CSV."""
    azure = told_of(new_azure)
    azure.run_until(at("10:10"))
    counted = history(azure.history, TEN.date(), TEN.date(), By.DAY)
    (ended,) = counted.recoveries
    assert (ended.notice_lead_s, ended.ready_after_s) == (20.0, 120.0)
    assert ",20.0,120.0," in as_csv(counted)
    written = render_history(counted, plain(azure))
    assert " notice ready starts " in " ".join(written.split())
    assert " 20 s 2 min 0 s 1 " in " ".join(written.split())


def test_while_it_goes_down_the_notice_is_shown(new_azure: NewAzure) -> None:
    """In explain and on the page; before it goes down nobody knows how long before that was."""
    azure = told_of(new_azure)
    azure.run_until(at("10:00:20"))
    (row,) = seen(azure).recoveries
    assert (row.noticed_at, row.notice_lead, row.ready_at) == (at("10:00:10"), None, None)
    azure.run_until(at("10:00:40"))
    said = explained(azure)
    assert "its agent noticed an eviction to come, 20 s before it went down" in [each.what for each in said.evidence]
    assert "the app heard of it, by the agent in the VM" in [each.what for each in said.evidence]
    assert "noticed by its agent 10:00:10" in status_page(seen(azure), CommandLine())


def test_an_eviction_that_only_an_agent_told_of_counts_when_it_is_seen(new_azure: NewAzure) -> None:
    """A VM that runs, whatever its agent says, is not counted as evicted."""
    azure = told_of(new_azure)
    azure.world.eviction_annotations = ()
    azure.script.lost = lambda _: True
    azure.run_until(at("10:00:20"))
    assert sum(each.number for each in seen(azure).figures.evictions) == 0
    azure.run_until(at("10:00:50"))
    assert sum(each.number for each in seen(azure).figures.evictions) == 1


def test_explain_says_that_the_workload_went_on(new_azure: NewAzure) -> None:
    """And what maintenance was told of."""
    azure = told_of(new_azure)
    vm = azure.world.machine("render-1")
    agent_tells(azure, maintenance(vm.vm_id, at("10:05"), "Freeze"), at("10:05") - TEN)
    azure.run_until(at("10:10"))
    said = explained(azure)
    assert said.last_recovery is not None
    assert said.last_recovery.what.endswith("; its workload went on 2 min 0 s after it went down")
    told = [each.what for each in said.evidence]
    assert "its agent told that its workload goes on" in told
    assert "its agent told of maintenance to come: Freeze" in told
    assert not said.needs_you


def test_an_agent_that_is_silent_is_a_problem_in_each_view(new_azure: NewAzure) -> None:
    """A quarter of an hour after the restore: status names the VM, explain says why, and both ask for somebody."""
    azure = told_of(new_azure)
    azure.run_until(at("11:00"))
    azure.world.evict("render-1")
    azure.run_until(at("11:10"))
    assert seen(azure).problems == ()
    azure.run_until(at("11:20"))
    (problem,) = seen(azure).problems
    assert problem.what.startswith("render-1: its agent used to report")
    assert problem.mend == ".venv/bin/spot-responder explain render-1"
    said = explained(azure)
    assert said.headline.startswith("render-1 runs: its agent used to report")
    assert said.needs_you
    azure.run_until(at("11:20") + timedelta(days=1))
    assert seen(azure).problems == ()
