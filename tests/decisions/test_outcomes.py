"""What each outcome means."""

from __future__ import annotations

from spot_responder.decisions.outcomes import Outcome


def outcomes(meaning: str) -> set[Outcome]:
    """Give the outcomes that have a meaning."""
    return {outcome for outcome in Outcome if getattr(outcome, meaning)}


def test_a_vm_is_up_where_it_was_restored_or_ran_without_the_app() -> None:
    """No other outcome says so."""
    assert outcomes("is_up") == {Outcome.RESTORED, Outcome.RUNS_WITHOUT_US, Outcome.STARTED_FOR_WORK}


def test_a_vm_is_not_covered_without_tag_or_spot_or_where_its_scale_set_restores_it() -> None:
    """None of these needs a restart by the app."""
    assert outcomes("is_not_covered") == {Outcome.OPTED_OUT, Outcome.NOT_SPOT, Outcome.OWNED_BY_SCALE_SET}


def test_only_what_ends_a_recovery_from_an_eviction_shows_one() -> None:
    """An owner's stop may end either."""
    assert outcomes("shows_an_eviction") == {Outcome.RESTORED, Outcome.GONE, Outcome.SHUT_DOWN_INSIDE}
