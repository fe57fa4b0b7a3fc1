"""The state on disk: what is written is read again, and what is not ours is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_agent.deciding.documents import EventType, ScheduledEvent
from spot_agent.deciding.state import (
    Machine,
    Message,
    Notice,
    Ready,
    Recovery,
    Stage,
    State,
    UnreadableStateError,
    read_state,
    write_state,
)
from virtual_vm.virtual_time import TEN

TIMES = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1)).map(  # noqa: DTZ001 - made aware
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=timezone.utc)
)
WORDS = st.text(max_size=8)
EVENTS = st.builds(
    ScheduledEvent,
    id=WORDS,
    type=st.sampled_from(EventType),
    type_name=WORDS,
    is_started=st.booleans(),
    not_before=st.none() | TIMES,
    resources=st.lists(WORDS, max_size=2).map(tuple),
    source=WORDS,
    duration_s=st.floats(-1, 1e6),
)
NOTICES = st.builds(
    Notice,
    event=EVENTS,
    detected_at=TIMES,
    boot_id=WORDS,
    run_id=WORDS,
    seconds_left=st.none() | st.floats(0, 1e6),
    is_ours=st.none() | st.booleans(),
    stage=st.sampled_from(Stage),
    is_told=st.booleans(),
    is_acknowledged=st.booleans(),
    hooks_done=st.lists(WORDS, max_size=2).map(tuple),
)
RECOVERIES = st.builds(
    Recovery,
    id=WORDS,
    down_since=st.none() | TIMES,
    had_notice=st.booleans(),
    event_id=st.none() | WORDS,
    boot_id=WORDS,
)
STATES = st.builds(
    State,
    boot_id=WORDS,
    run_id=WORDS,
    machine=st.none() | st.builds(Machine, WORDS, WORDS, WORDS, WORDS, WORDS),
    notices=st.lists(NOTICES, max_size=3).map(tuple),
    recovery=st.none() | RECOVERIES,
    ready=st.lists(st.builds(Ready, RECOVERIES, TIMES), max_size=2).map(tuple),
    unsent=st.lists(st.builds(Message, WORDS, TIMES, st.dictionaries(WORDS, WORDS)), max_size=2).map(tuple),
)


@given(STATES)
def test_what_is_written_is_read_again(state: State) -> None:
    """All of it."""
    assert read_state(write_state(state)) == state


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "[" * 100_000, '{"format": 2}', '{"format": 1}', "null"])
def test_what_is_no_state_of_ours_is_refused(text: str) -> None:
    """Half a file, another program's, one of a later version."""
    with pytest.raises(UnreadableStateError):
        read_state(text)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"id": "open"', '"id": 7'),
        ('"resources": [\n', '"resources": [1,\n'),
        ('"boot_id": "boot"', '"boot_id": null'),
        ('"seconds_left": 5.0', '"seconds_left": "5"'),
        ('"seconds_left": 5.0', '"seconds_left": true'),
        ('"seconds_left": 5.0', '"seconds_left": Infinity'),
        ('"duration_s": -1.0', '"duration_s": null'),
        ('"duration_s": -1.0', '"duration_s": [1]'),
        ('"is_started": false', '"is_started": "no"'),
        ('"is_told": false', '"is_told": 0'),
        ('"is_acknowledged": false', '"is_acknowledged": null'),
        ('"is_ours": true', '"is_ours": 1'),
    ],
)
def test_a_state_with_a_value_of_another_kind_is_refused(before: str, after: str) -> None:
    """It would fail with each document."""
    text = write_state(State("boot", "run", notices=(notice("open", Stage.ACTING),)))
    assert before in text
    with pytest.raises(UnreadableStateError):
        read_state(text.replace(before, after))


def notice(event_id: str, stage: Stage) -> Notice:
    """Make a notice."""
    event = ScheduledEvent(event_id, EventType.PREEMPT, "Preempt", False, TEN, ("a",), "Platform", -1.0)  # noqa: FBT003
    return Notice(event, TEN, "boot", "run", 5.0, is_ours=True, stage=stage)


def test_what_is_over_is_forgotten_oldest_first_and_what_is_open_or_shown_never() -> None:
    """A VM that lives for years must not keep all it ever heard; what is still shown would seem new."""
    notices = (notice("open", Stage.ACTING), *(notice(str(number), Stage.CLOSED) for number in range(40)))
    kept = State("boot", "run", notices=notices).pruned(frozenset({"3"})).notices
    assert [one.event.id for one in kept] == ["open", "3", *(str(number) for number in range(10, 40))]


def test_ids_are_compared_without_regard_to_case() -> None:
    """The documentation's own samples are written in both."""
    state = State("boot", "run").with_notice(notice("AbC", Stage.NOTED))
    again = state.with_notice(replace(notice("aBc", Stage.ACTING)))
    assert [one.stage for one in again.notices] == [Stage.ACTING]
    assert again.notice("abc") is again.notices[0]
    assert again.notice("abd") is None
