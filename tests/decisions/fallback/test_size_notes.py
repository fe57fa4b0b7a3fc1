"""What is kept of a VM's sizes, from its first change on."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from spot_responder.decisions.attempts import NOT_ASKED, SizeNotes, WeighedSize
from spot_responder.decisions.failure_counts import FailureCounts
from spot_responder.decisions.outcomes import Outcome
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.signals import SignalKind
from tests.decisions.fallback.test_sizes import vm
from tests.harness.makers import DAYS, TEN, VM_ID, at, failure, recovery

if TYPE_CHECKING:
    from spot_responder.decisions.recoveries import Recovery

OWN, OTHER, THIRD = "Standard_D4s_v5", "Standard_D4as_v5", "Standard_D4s_v4"
AWAY = SizeNotes().asking_for(OTHER, OWN, TEN)


def asking() -> Recovery:
    """Ask for another size at ten."""
    return recovery().asking_for_size(vm(OWN), OTHER, TEN, at("10:02"), "no capacity")


def test_the_first_size_is_remembered() -> None:
    """However often it is changed after that, and however Azure spells it."""
    away = AWAY.asking_for(THIRD, OTHER.upper(), at("10:05"))
    assert {notes.first_of(size.lower()) for notes in (AWAY, away) for size in (OWN, OTHER)} == {OWN}
    assert away.is_away


def test_a_size_that_the_app_never_gave_is_the_owners_choice() -> None:
    """It is the first size from then on."""
    assert AWAY.first_of(THIRD) == THIRD
    anew = AWAY.asking_for(OTHER, THIRD, at("10:05"))
    assert (anew.first, anew.given) == (THIRD, (THIRD, OTHER))


def test_notes_of_a_vm_that_was_made_anew_count_for_nothing() -> None:
    """By Azure's unique id; of a row or an answer without one the notes are taken for the VM's."""
    notes = SizeNotes().asking_for(OTHER, OWN, TEN, unique_id="one")
    assert notes.about("ONE") == notes.about("") == notes
    assert notes.about("another") == SizeNotes()
    assert AWAY.about("one") == AWAY
    assert notes.asking_for(THIRD, OTHER, TEN).of_vm == "one"


def test_at_home_what_it_was_given_is_over() -> None:
    """So that its owner may choose any of those sizes as its first one."""
    assert not AWAY.seen_as(OWN.lower()).is_away
    assert AWAY.seen_as(OTHER).given == (OTHER,)
    assert SizeNotes().seen_as(OWN) == SizeNotes()


def test_changes_are_counted_for_a_day() -> None:
    """Older ones are forgotten."""
    notes = AWAY.asking_for(OWN, OTHER, TEN + timedelta(hours=23))
    assert len(notes.resizes) == 2
    assert len(notes.asking_for(OTHER, OWN, TEN + timedelta(hours=25)).resizes) == 2


def test_what_azure_refused_counts_until_its_time() -> None:
    """In Azure's words; the latest ones, for each size."""
    notes = AWAY.refused(OTHER, "first words", at("10:30")).refused(OTHER.lower(), "its words", at("11:00"))
    mark = notes.refusal_of(OTHER, at("10:59"))
    assert mark is not None
    assert mark.words == "its words"
    assert notes.refusal_of(OTHER, at("11:00")) is None
    assert notes.refusal_of(THIRD, at("10:05")) is None


def test_of_what_a_look_did_not_ask_about_only_the_price_stays() -> None:
    """What was thought of a size before need not be so any more."""
    before = SizeNotes().weighing((WeighedSize(OWN, "closed"), WeighedSize(OTHER, "chosen", "0.1 USD an hour")), TEN)
    now = before.weighing((WeighedSize(OWN, "started"), WeighedSize(THIRD, "unfit")), at("10:05"))
    assert now.weighed == (
        WeighedSize(OWN, "started", at=at("10:05")),
        WeighedSize(OTHER, NOT_ASKED, "0.1 USD an hour", at("10:05")),
        WeighedSize(THIRD, "unfit", at=at("10:05")),
    )
    again = now.weighing((WeighedSize(OTHER.upper(), "chosen"),), at("10:10"))
    assert again.weighed[1] == WeighedSize(OTHER.upper(), "chosen", "0.1 USD an hour", at("10:10"))


def test_a_change_of_size_counts_against_the_budget_and_is_no_start() -> None:
    """Two requests for one try; no event of a start can be its consequence, and it restored nobody."""
    asked = asking()
    assert (asked.starts, asked.attempts, asked.evidence.starts_asked) == ((TEN,), 0, ())
    assert not asked.accepted(None).may_have_started_it
    assert asked.attempt is not None
    assert asked.attempt.resize_to == OTHER


def test_one_that_was_not_sent_is_as_if_it_had_not_been_asked_for() -> None:
    """It counts nowhere."""
    withdrawn = asking().withdrawn(None)
    assert (withdrawn.starts, withdrawn.sizes.resizes, withdrawn.attempt) == ((), (), None)
    assert withdrawn.sizes.first_of(OTHER) == OTHER, "who gives it that size now is its owner"
    again = asking().asking_for_size(vm(OWN), OTHER, at("10:02"), at("10:04"), "no answer")
    assert again.withdrawn(asking().attempt).sizes.first_of(OTHER) == OWN, "the first request may still arrive"


def test_a_refused_size_is_no_failed_start() -> None:
    """It is marked, and nobody is called because of it; a refusal that is not about the size marks none."""
    refused = asking().size_refused(failure(FailureKind.UNKNOWN), at("10:01"), at("11:00"))
    assert (refused.failures, refused.attempts) == (FailureCounts(), 0)
    assert refused.sizes.refusal_of(OTHER, at("10:30")) is not None
    assert not asking().size_refused(failure(FailureKind.CONFLICT), at("10:01"), None).sizes.unfit


def test_the_next_recovery_knows_the_first_size_and_not_what_was_tried() -> None:
    """The row is kept for as long as the VM is away; of a VM that is gone nothing is."""
    tried = asking().accepted(None)
    tried = tried.asking(at("10:03"), at("10:05"), "started").accepted(None)
    restored = tried.closed(Outcome.RESTORED, at("10:04"), "it runs")
    assert restored.is_worth_remembering(TEN + DAYS)
    anew = restored.reopened("recovery-2", at("11:00"), SignalKind.EVICTED)
    assert (anew.sizes.first, anew.sizes.tried, anew.sizes.weighed) == (OWN, (), ())
    gone = tried.closed(Outcome.GONE, at("10:04"), "gone")
    assert not gone.is_worth_remembering(TEN + DAYS)
    assert gone.reopened("recovery-2", at("11:00"), SignalKind.EVICTED).sizes == SizeNotes()
    assert recovery().vm_id == VM_ID


def test_each_size_that_was_tried_is_noted_once() -> None:
    """In the order in which they were tried."""
    assert SizeNotes().trying(OWN).trying(OTHER).trying(OWN.upper()).tried == (OWN, OTHER)


def test_a_change_that_azure_refuses_for_want_of_capacity_is_noted() -> None:
    """So that who chooses sizes sees that this one was out."""
    refused = asking().size_refused(failure(FailureKind.CAPACITY), at("10:01"), None)
    assert refused.sizes.out == (OTHER,)
    assert asking().size_refused(failure(FailureKind.QUOTA), at("10:01"), None).sizes.out == ()
