"""What each kind of signal means."""

from __future__ import annotations

from spot_responder.intake.signals import SignalKind


def kinds(meaning: str) -> set[SignalKind]:
    """Give the kinds that have a meaning."""
    return {kind for kind in SignalKind if getattr(kind, meaning)}


def test_three_kinds_are_the_apps_own() -> None:
    """All others are Azure's."""
    assert kinds("is_our_own") == {SignalKind.FOLLOW_UP, SignalKind.SWEEP_FOUND, SignalKind.OPERATOR_ASKED}


def test_an_eviction_and_a_find_are_worth_a_recovery_though_nobody_can_look() -> None:
    """Both say that a VM is down and likely covered."""
    assert kinds("says_down_and_covered") == {SignalKind.EVICTED, SignalKind.SWEEP_FOUND}


def test_whatever_may_be_news_ends_the_wait_of_a_queued_vm() -> None:
    """That it is down, or that its time has come, is none."""
    assert set(SignalKind) - kinds("may_end_a_wait") == {
        SignalKind.EVICTED,
        SignalKind.UNAVAILABLE,
        SignalKind.FOLLOW_UP,
    }
