"""How answers look: aligned, in the reader's zone, coloured on terminals only; and the same as JSON, in UTC."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.pools import PoolId
from spot_responder.operators.views.dead_letters import QueueCounts
from spot_responder.operators.views.json_form import json_form
from spot_responder.terminal.console import Cell, Colour, Console, Painted
from spot_responder.terminal.results import StopError
from spot_responder.text import count, one_line, span
from tests.harness.makers import TEN, VM_ID, at

ZURICH = ZoneInfo("Europe/Zurich")
PLAIN = Console(TEN, ZURICH)
COLOURED = Console(TEN, ZURICH, coloured=True)


def test_times_are_written_in_the_readers_zone() -> None:
    """Ten in UTC is eleven in Zurich; another day is named; none is a dash."""
    assert PLAIN.when(TEN) == "11:00:00"
    assert PLAIN.when(TEN - timedelta(days=1)) == "2026-03-01 11:00:00"
    assert PLAIN.when(None) == "-"
    assert PLAIN.title("Status") == "Status   2026-03-02 11:00:00 CET\n"


def test_midnight_is_the_readers() -> None:
    """Half past eleven in the evening in UTC is tomorrow in Zurich."""
    assert PLAIN.when(at("23:30")) == "2026-03-03 00:30:00"


def test_how_far_away_a_time_is() -> None:
    """Before and after."""
    assert PLAIN.away(at("10:00:40")) == "11:00:40 (in 40 s)"
    assert PLAIN.away(at("09:30")) == "10:30:00 (30 min 0 s ago)"
    assert PLAIN.away(None) == "-"


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(seconds=59.4), "59 s"),
        (timedelta(seconds=60), "1 min 0 s"),
        (timedelta(hours=1, minutes=2, seconds=3), "1 h 2 min"),
        (timedelta(days=2, hours=5), "2 d 5 h"),
        (timedelta(), "0 s"),
    ],
)
def test_spans_have_two_units_at_most(duration: timedelta, text: str) -> None:
    """What nobody needs is left out."""
    assert span(duration) == text


def test_a_table_is_aligned_and_numbers_stand_to_the_right() -> None:
    """Whatever the lengths; no blanks at the ends of lines."""
    table = PLAIN.table(("VM", "starts", "why"), [["a", "1", "x"], ["render-1", "12", ""]])
    assert table == "VM        starts  why\na              1  x\nrender-1      12\n"
    assert PLAIN.table(("VM",), []) == "VM\n"


def test_colours_are_there_on_terminals_only_and_change_no_width() -> None:
    """Without the colours, it is the same table."""
    rows: list[list[Cell]] = [["a", Painted("held", Colour.NOTICE), "x"], ["bb", Painted("refused", Colour.BAD), "y"]]
    plain, coloured = PLAIN.table(("VM", "is", "why"), rows), COLOURED.table(("VM", "is", "why"), rows)
    assert "\x1b" not in plain
    assert "\x1b[31mrefused\x1b[0m" in coloured
    bare = coloured
    for colour in Colour:
        bare = bare.replace(f"\x1b[{colour.value}m", "")
    assert bare.replace("\x1b[0m", "") == plain


@given(st.lists(st.tuples(st.text("abc xyz-19", max_size=12), st.text("abc", max_size=5)), max_size=5))
def test_columns_begin_at_the_same_place_in_every_line(rows: list[tuple[str, str]]) -> None:
    """Whatever stands in them."""
    lines = PLAIN.table(("one", "two"), [[first, f"|{second}"] for first, second in rows]).splitlines()
    assert len({line.index("|") for line in lines[1:]}) <= 1


def test_one_and_many() -> None:
    """A word for each."""
    assert (count(1, "VM"), count(2, "VM"), count(0, "recovery", "recoveries")) == ("1 VM", "2 VMs", "0 recoveries")


def test_json_has_times_in_utc_spans_in_seconds_and_ids_as_arm_writes_them() -> None:
    """For programs, wherever they run."""

    @dataclass(frozen=True)
    class Thing:
        vm_id: object
        at: object
        more: object

    thing = Thing(VM_ID, TEN.astimezone(ZURICH), {"span": timedelta(minutes=1), "day": date(2026, 3, 2), "none": None})
    assert json_form((thing, Outcome.GONE, QueueCounts(1, 0, None, 2, 0), PoolId("s", "l", "", "z"))) == [
        {
            "vm_id": str(VM_ID),
            "at": "2026-03-02T10:00:00Z",
            "more": {"span": 60.0, "day": "2026-03-02", "none": None},
        },
        "gone",
        {"signals": 1, "poison": 0, "dead_letters": None, "agents": 2, "agents_poison": 0, "unseen": [], "wakes": None},
        {"subscription_id": "s", "location": "l", "zone": "", "size": "z", "is_spot": True},
    ]
    assert json.dumps(json_form(thing))


@given(st.text())
def test_whatever_the_mistake_it_is_told_in_one_line(text: str) -> None:
    """No line break, no escape that a terminal would obey."""
    assert one_line(text).isprintable()
    assert str(StopError(text)) == one_line(text)
