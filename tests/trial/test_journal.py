"""The record of what was created survives a crash at any byte, and belongs to one trial at a time."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_responder.trial.journal import JOURNAL, AnotherTrialError, Made, open_journal

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


def test_a_damaged_line_hides_no_other(tmp_path: Path) -> None:
    """It is named, with what is wrong with it; what the other lines list is known all the same."""
    with open_journal(tmp_path) as journal:
        journal.note(ONE)
        with (tmp_path / JOURNAL).open("a", encoding="utf-8") as file:
            file.write(
                '{"created\n{"created": "/subscriptions/s/x"}\n[]\n7\n{"gone": 1}\n{"created": "x", "gone": "y"}\n'
            )
            file.write('{"created": "no id", "version": "v", "run": "r"}\n')
        journal.note(OTHER)
        listed = journal.listed()
    path = tmp_path / JOURNAL
    assert listed.remains == [ONE, OTHER]
    assert [each.partition(": ")[0] for each in listed.damaged] == [f"{path}, line {number}" for number in range(2, 9)]
    assert listed.damaged[0].endswith("it is no JSON")
    assert listed.damaged[1].endswith('it lacks one of "created" (an id of ARM), "version" and "run"')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["created", "answered", "gone", "run"]), inner)
    ),
    max_leaves=9,
)


@given(odd=st.lists(JSON.map(json.dumps).map(str.encode) | st.binary(max_size=30), max_size=4))
def test_whatever_stands_in_a_line_what_can_be_read_is_not_lost(odd: list[bytes]) -> None:
    """And nothing is written over it."""
    with tempfile.TemporaryDirectory() as folder, open_journal(Path(folder)) as journal:
        journal.note(ONE)
        with journal.path.open("ab") as file:
            file.write(b"".join(each.replace(b"\n", b" ") + b"\n" for each in odd))
        before = journal.path.read_bytes()
        assert ONE in journal.listed().remains
        journal.note(OTHER)
        assert {ONE, OTHER} <= set(journal.remains())
        assert journal.path.read_bytes().startswith(before)


def test_a_last_line_that_somebody_wrote_without_an_end_is_kept(tmp_path: Path) -> None:
    """An editor may leave the end of the last line out: what it names is still there."""
    with open_journal(tmp_path) as journal:
        journal.note(ONE)
        journal.path.write_bytes(journal.path.read_bytes().rstrip(b"\n"))
        journal.note(OTHER)
        assert journal.remains() == [ONE, OTHER]
        with journal.path.open("ab") as file:
            file.write(b"look at this")
        assert len(journal.listed().damaged) == 1
        journal.forget(ONE.resource_id)
        assert journal.path.read_bytes().count(b"look at this\n") == 1


def test_two_trials_do_not_share_a_journal(tmp_path: Path) -> None:
    """One would take away what the other needs."""
    with (
        open_journal(tmp_path),
        pytest.raises(AnotherTrialError, match="another trial is running"),
        open_journal(tmp_path),
    ):
        pass


def test_a_later_run_knows_which_creations_were_answered(tmp_path: Path) -> None:
    """What was not answered when the trial was killed may still come to be; also if somebody deletes the file."""
    with open_journal(tmp_path) as journal:
        journal.note(ONE)
        journal.note(OTHER)
        journal.confirm(ONE.resource_id.upper())
        assert journal.unanswered == {OTHER.resource_id.lower()}
    with open_journal(tmp_path) as journal:
        assert journal.unanswered == {OTHER.resource_id.lower()}
        (tmp_path / JOURNAL).unlink()
        journal.keep()
        assert journal.listed().unanswered == {OTHER.resource_id.lower()}
        journal.note(ONE)
        assert ONE.resource_id.lower() in journal.listed().unanswered
        journal.forget(ONE.resource_id)
        assert journal.listed().unanswered == {OTHER.resource_id.lower()}
