"""Which announced events stop the worker, by the metadata service and by the agent's state."""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from spot_agent.deciding.documents import Document, EventType, ScheduledEvent
from spot_agent.deciding.state import Machine, Notice, Stage, State
from spot_agent.deciding.times import Now

from spot_worker.deciding.stops.notices import in_agents_state, in_document, passed_at_start
from spot_worker.edges.notices import VmNotices
from workbench.real_worker import NO_METADATA_SERVICE

if TYPE_CHECKING:
    from pathlib import Path

NOW = Now(datetime(2026, 3, 2, 10, 0, tzinfo=timezone.utc), 100.0)


@pytest.mark.parametrize("pid", [10**30, -(10**30)])
def test_a_number_that_no_process_has_is_of_no_agent(tmp_path: Path, pid: int) -> None:
    (tmp_path / "alive.json").write_text(json.dumps({"at": datetime.now(timezone.utc).isoformat(), "pid": pid}))
    notices = VmNotices(NO_METADATA_SERVICE, tmp_path, lambda _event, _said: None)
    asyncio.run(notices.begin())
    assert notices.vm == socket.gethostname()


def event(kind: EventType, *, vm: str = "vm-1", is_started: bool = False, event_id: str = "e-1") -> ScheduledEvent:
    """Give an event in 25 seconds."""
    at = None if is_started else NOW.wall + timedelta(seconds=25)
    return ScheduledEvent(event_id, kind, kind.value, is_started, at, (vm,), "Platform", -1.0)


@pytest.mark.parametrize("kind", [EventType.PREEMPT, EventType.TERMINATE, EventType.REBOOT, EventType.REDEPLOY])
def test_what_ends_the_vm_stops_the_worker(kind: EventType) -> None:
    found = in_document(Document((event(kind, vm="VM-1"),)), "vm-1", (), NOW)
    assert found is not None
    assert (found.event_type, found.seconds_left) == (kind.value, 25.0)


@pytest.mark.parametrize("kind", [EventType.FREEZE, EventType.REBALANCE, EventType.UNKNOWN])
def test_what_lets_the_vm_live_does_not(kind: EventType) -> None:
    assert in_document(Document((event(kind),)), "vm-1", (), NOW) is None


def test_what_happens_to_a_sibling_does_not_concern_us_once_our_name_is_known() -> None:
    document = Document((event(EventType.PREEMPT, vm="vm-2"),))
    assert in_document(document, "vm-1", (), NOW) is None
    assert in_document(document, None, (), NOW) is not None
    assert in_document(Document((event(EventType.REBOOT),)), None, (), NOW) is None


def test_the_soonest_counts() -> None:
    later = replace(event(EventType.TERMINATE), id="e-2", not_before=None)
    found = in_document(Document((later, event(EventType.PREEMPT))), "vm-1", (), NOW)
    assert found is not None
    assert found.event_id == "e-1"


def test_a_reboot_that_has_just_hit_the_vm_is_over_for_a_worker_that_begins() -> None:
    started = event(EventType.REBOOT, is_started=True)
    document = Document((started, event(EventType.PREEMPT, is_started=True, event_id="e-2")))
    passed = passed_at_start(document)
    assert passed == {"e-1"}
    found = in_document(document, "vm-1", passed, NOW)
    assert found is not None
    assert (found.event_id, found.seconds_left) == ("e-2", 0.0)


def noticed(stage: Stage, kind: EventType = EventType.PREEMPT, boot: str = "boot-1") -> State:
    """Give an agent's state with one notice."""
    notice = Notice(event(kind), NOW.wall, boot, "run-1", 25.0, is_ours=True, stage=stage)
    return State("boot-1", "run-1", Machine("vm-1", "", ""), (notice,))


@pytest.mark.parametrize("stage", [Stage.NOTED, Stage.ACTING, Stage.SAVED, Stage.FINISHED])
def test_what_the_agent_has_seen_stops_the_worker_until_it_is_over(stage: Stage) -> None:
    assert in_agents_state(noticed(stage), "boot-1", NOW) is not None


@pytest.mark.parametrize("stage", [Stage.UNDOING, Stage.CLOSED])
def test_what_the_agent_takes_for_over_does_not(stage: Stage) -> None:
    assert in_agents_state(noticed(stage), "boot-1", NOW) is None


def test_what_the_agent_saw_in_an_earlier_boot_or_what_lets_us_live_does_not() -> None:
    assert in_agents_state(noticed(Stage.ACTING, boot="boot-0"), "boot-1", NOW) is None
    assert in_agents_state(noticed(Stage.ACTING, EventType.FREEZE), "boot-1", NOW) is None


def test_while_the_agent_does_not_know_our_name_only_an_eviction_counts() -> None:
    nameless = State("boot-1", "run-1", None, noticed(Stage.ACTING).notices)
    assert in_agents_state(nameless, "boot-1", NOW) is not None
    reboot = State("boot-1", "run-1", None, noticed(Stage.ACTING, EventType.REBOOT).notices)
    assert in_agents_state(reboot, "boot-1", NOW) is None
