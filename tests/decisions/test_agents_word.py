"""To which recovery an agent's word belongs, and whose agent is silent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given

from spot_responder.decisions.agent_notes import AgentNotes
from spot_responder.decisions.agents_word import agent_is_silent, noted
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import AGENT_REMEMBERED
from spot_responder.decisions.publishing.published_events import closed_event
from spot_responder.decisions.recoveries import Recovery, note
from spot_responder.decisions.recovery_times import notice_lead, ready_after
from spot_responder.intake.signals import AgentReport, Signal, SignalKind, Source
from tests.harness.makers import RECOVERIES, TEN, TIMES, VM_ID, accepted, at, evicted, recovery, signal

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def word(kind: SignalKind, clock: str, *, late: bool = False) -> Signal:
    """Make what an agent tells."""
    return replace(signal(kind, at(clock), source=Source.AGENT, detail="Reboot"), report=AgentReport("1", late))


def restored(now: str = "10:01") -> Recovery:
    """Make a recovery of an eviction at ten, closed as restored."""
    return accepted().closed(Outcome.RESTORED, at(now), "it runs again")


def reported(reported_at: str = "09:00") -> Recovery:
    """Make one of a VM whose agent used to report."""
    return replace(restored(), agent=AgentNotes(reported_at=at(reported_at)))


@pytest.mark.parametrize("kind", SignalKind)
def test_only_what_agents_tell_is_noted(kind: SignalKind) -> None:
    """Whoever else tells something, this is not the place."""
    is_agents = kind in {SignalKind.AGENT_NOTICED, SignalKind.AGENT_MAINTENANCE, SignalKind.WORKLOAD_READY}
    told = word(kind, "09:59" if kind is SignalKind.AGENT_NOTICED else "10:02", late=is_agents)
    assert (noted(restored(), told, at("10:03")) is not None) is is_agents


def test_nothing_is_noted_without_a_recovery_or_a_time() -> None:
    """No row, a row that is only a note, a message without a time."""
    ready = word(SignalKind.WORKLOAD_READY, "10:02")
    assert noted(None, ready, at("10:03")) is None
    assert noted(note(VM_ID, "1", TEN, SignalKind.STOPPED_BY_OWNER, "stopped"), ready, at("10:03")) is None
    assert noted(restored(), replace(ready, occurred_at=None), at("10:03")) is None


def test_the_first_word_of_a_workload_counts() -> None:
    """A later one, after a reboot, is of the same recovery."""
    first = noted(restored(), word(SignalKind.WORKLOAD_READY, "10:02"), at("10:03"))
    assert first is not None
    assert ready_after(first) == 2 * MINUTE
    assert noted(first, word(SignalKind.WORKLOAD_READY, "10:20"), at("10:21")) == first


@pytest.mark.parametrize(
    "row",
    [
        recovery(),
        recovery().closed(Outcome.STOPPED_BY_OWNER, at("10:01"), "stopped"),
        recovery().closed(Outcome.GONE, at("10:01"), "gone"),
    ],
)
def test_a_vm_that_did_not_come_up_has_no_workload(row: Recovery) -> None:
    """Whatever is told of it."""
    assert noted(row, word(SignalKind.WORKLOAD_READY, "10:02"), at("10:03")) is None


def test_a_new_start_request_forgets_a_workload_and_remembers_that_the_agent_reports() -> None:
    """It went down again before the recovery was closed."""
    ready = noted(accepted(), word(SignalKind.WORKLOAD_READY, "10:00:50"), at("10:00:51"))
    assert ready is not None
    again = ready.asking(at("10:05"), at("10:07"), "evicted again")
    assert (ready_after(again), again.agent.reported_at) == (None, at("10:00:51"))


@pytest.mark.parametrize(
    ("noticed_at", "is_noted"), [("09:55", True), ("10:00", True), ("09:54:59", False), ("10:00:01", False)]
)
def test_a_late_notice_is_of_the_eviction_that_it_came_just_before(noticed_at: str, is_noted: bool) -> None:  # noqa: FBT001
    """Of no other."""
    late = word(SignalKind.AGENT_NOTICED, noticed_at, late=True)
    row = noted(restored(), late, at("10:03"))
    assert (row is not None) is is_noted
    if row is not None:
        assert notice_lead(row) == TEN - at(noticed_at)
        told = closed_event(row).data or {}
        assert (told["noticedAt"], told["noticeLeadSeconds"]) == (None, None)
        assert noted(row, word(SignalKind.AGENT_NOTICED, "09:58", late=True), at("10:03")) == row


def test_a_late_notice_that_comes_as_the_vm_boots_is_in_the_outcome() -> None:
    """Before the look that closes the recovery; one that came in time counts more."""
    row = noted(accepted(), word(SignalKind.AGENT_NOTICED, "09:59:57", late=True), at("10:00:50"))
    assert row is not None
    assert row.evidence == accepted().evidence
    told = closed_event(row.closed(Outcome.RESTORED, at("10:01"), "it runs again")).data or {}
    assert told["noticeLeadSeconds"] == 3
    in_time = signal(SignalKind.AGENT_NOTICED, at("09:59:50"), source=Source.AGENT)
    both = replace(accepted(), evidence=accepted().evidence.with_signal(in_time))
    assert noted(both, word(SignalKind.AGENT_NOTICED, "09:59:57", late=True), at("10:00:50")) == both


@given(RECOVERIES, TIMES)
def test_no_time_of_an_agents_is_less_than_nothing(row: Recovery, now: object) -> None:
    """Of whatever recovery: unknown, or a time."""
    assert now is not None
    for known in (notice_lead(row), ready_after(row)):
        assert known is None or known >= timedelta()


@pytest.mark.parametrize(
    ("row", "minutes", "is_silent"),
    [
        (reported(), 14, False),
        (reported(), 15, True),
        (reported(), 24 * 60 - 1, True),
        (reported(), 24 * 60, False),
        (restored(), 20, False),
        (replace(reported(), outcome=Outcome.RUNS_WITHOUT_US), 20, False),
        (replace(reported(), agent=AgentNotes(reported_at=at("10:01") - AGENT_REMEMBERED)), 20, False),
        (replace(reported(), agent=AgentNotes(reported_at=TEN, ready_at=at("10:02"))), 20, False),
        (recovery(), 20, False),
    ],
)
def test_whose_agent_is_silent(row: Recovery, minutes: int, is_silent: bool) -> None:  # noqa: FBT001
    """One that used to report, of a VM that was restored a quarter of an hour ago, for a day."""
    assert agent_is_silent(row, at("10:01") + minutes * MINUTE) is is_silent


def test_an_agent_of_a_vm_that_its_owner_stopped_since_is_not_expected() -> None:
    """It is down."""
    stop = signal(SignalKind.STOPPED_BY_OWNER, at("10:05"), source=Source.ARM_OPERATION, has_caller=True)
    stopped = replace(reported(), evidence=reported().evidence.with_signal(stop))
    assert not agent_is_silent(stopped, at("10:30"))


def test_that_an_agent_reports_is_remembered_for_a_month_and_not_of_a_vm_that_is_gone() -> None:
    """From one recovery to the next, though rows are forgotten after a day."""
    ready = noted(restored(), word(SignalKind.WORKLOAD_READY, "10:02"), at("10:03"))
    assert ready is not None
    assert ready.is_worth_remembering(TEN + 29 * DAY)
    assert not ready.is_worth_remembering(TEN + 31 * DAY)
    assert ready.reopened("2", at("11:00"), SignalKind.EVICTED).agent == AgentNotes(reported_at=at("10:03"))
    gone = replace(ready, outcome=Outcome.GONE, restarts=())
    assert not gone.is_worth_remembering(TEN + 2 * DAY)
    assert gone.reopened("2", at("11:00"), SignalKind.EVICTED).agent == AgentNotes()


def test_a_notice_says_nothing_once_its_recovery_is_over() -> None:
    """How long before is in the notes; the evidence forgets it, however the recovery ended."""
    for outcome in Outcome:
        told = recovery().evidence.with_signal(signal(SignalKind.AGENT_NOTICED, at("09:59:40"), source=Source.AGENT))
        row = replace(recovery(), evidence=told.with_signal(evicted()))
        assert notice_lead(row) == 20 * timedelta(seconds=1)
        closed = row.closed(outcome, at("10:01"), "over")
        assert closed.evidence.noticed_at is None
        assert (notice_lead(closed) is not None) is outcome.shows_an_eviction
