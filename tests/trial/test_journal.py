"""The record of what was created survives a crash at any byte, and belongs to one trial at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spot_responder.trial.journal import JOURNAL, AnotherTrialError, Made, UnreadableJournalError, open_journal

if TYPE_CHECKING:
    from pathlib import Path

ONE, OTHER = (Made(f"/subscriptions/s/resourceGroups/rg-{name}", "2022-09-01", "r") for name in "ab")


def test_a_crash_in_the_middle_of_a_line_loses_only_that_line(tmp_path: Path) -> None:
    """Nothing was created for it yet; what is written later is whole."""
    with open_journal(tmp_path) as journal:
        journal.note(ONE)
        journal.note(OTHER)
    whole = (tmp_path / JOURNAL).read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(first, len(whole)):
        (tmp_path / JOURNAL).write_bytes(whole[:cut])
        with open_journal(tmp_path) as journal:
            assert journal.remains() in ([ONE], [ONE, OTHER])
            journal.note(OTHER)
            assert journal.remains() == [ONE, OTHER]


def test_what_is_gone_remains_no_more(tmp_path: Path) -> None:
    """In whatever casing."""
    with open_journal(tmp_path) as journal:
        journal.note(ONE)
        journal.note(OTHER)
        journal.forget(ONE.resource_id.upper())
        assert journal.remains() == [OTHER]


def test_a_damaged_line_ends_the_command(tmp_path: Path) -> None:
    """What it named might be left behind for ever."""
    (tmp_path / JOURNAL).write_text('{"created\n{"gone": "x"}\n', encoding="utf-8")
    with open_journal(tmp_path) as journal, pytest.raises(UnreadableJournalError, match="line 1 is damaged"):
        journal.remains()


def test_two_trials_do_not_share_a_journal(tmp_path: Path) -> None:
    """One would take away what the other needs."""
    with (
        open_journal(tmp_path),
        pytest.raises(AnotherTrialError, match="another trial is running"),
        open_journal(tmp_path),
    ):
        pass
