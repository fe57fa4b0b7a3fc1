"""What each kind of signal means."""

from __future__ import annotations

from spot_responder.intake.signals import SignalKind


def kinds(meaning: str) -> set[SignalKind]:
    """Give the kinds that have a meaning."""
    return {kind for kind in SignalKind if getattr(kind, meaning)}


AGENTS = {SignalKind.AGENT_NOTICED, SignalKind.AGENT_MAINTENANCE, SignalKind.WORKLOAD_READY}


def test_four_kinds_are_the_apps_own_and_three_the_agents() -> None:
    """All others are Azure's."""
    ours = {SignalKind.FOLLOW_UP, SignalKind.SWEEP_FOUND, SignalKind.OPERATOR_ASKED, SignalKind.WORK_WAITS}
    assert set(SignalKind) - kinds("is_event_of_azure") == ours | AGENTS


def test_an_eviction_and_a_find_are_worth_a_recovery_though_nobody_can_look() -> None:
    """Both say that a VM is down and likely covered."""
    assert kinds("says_down_and_covered") == {SignalKind.EVICTED, SignalKind.SWEEP_FOUND}


def test_whatever_may_be_news_ends_the_wait_of_a_queued_vm() -> None:
    """That it is down, that its time has come or that work waits for it, is none, nor what an agent tells."""
    assert set(SignalKind) - kinds("may_end_a_wait") == AGENTS | {
        SignalKind.EVICTED,
        SignalKind.UNAVAILABLE,
        SignalKind.FOLLOW_UP,
        SignalKind.WORK_WAITS,
    }
