"""A query is filled in by quoting, and nothing that is put into it can become more than a text."""

from __future__ import annotations

import duckdb_kql
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spot_responder.clients.kql import QUERIES, QueryParameterError, fill, read_query
from tests.harness.makers import VM_ID

ENGINE = duckdb_kql.connect()
PRINT = "print x = '{value}'"
PRINTABLE = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1)
NASTY = st.text("'\"\\{}|-/; \n", min_size=1).filter(str.isprintable)
PARAMETERS: dict[str, dict[str, str | list[str]]] = {
    "confirm": {"vm_ids": [VM_ID.key, f"{VM_ID.key}0"]},
    "sweep": {"restart_tag": "AttemptRestartAfterEviction"},
    "named": {"vm_name": "render-1"},
    "spot": {},
    "work": {"work_tag": "StartForWork"},
    "priced": {"restart_tag": "AttemptRestartAfterEviction"},
    "coverage": {
        "tag_is_true": '"Tag":"true"',
        "tag_is_true_spaced": '"Tag": "true"',
        "has_work_queues": "true",
        "work_tag_is": '"StartForWork":',
    },
}


def evaluated(query: str) -> list[tuple[object, ...]]:
    """Run a query without a table in the real engine."""
    rows: list[tuple[object, ...]] = duckdb_kql.kql(ENGINE, query).fetchall()
    return rows


@settings(deadline=None)
@given(PRINTABLE | NASTY)
def test_a_value_comes_back_as_it_went_in(value: str) -> None:
    """No quote, backslash, brace or comment breaks out of its literal."""
    assert evaluated(fill("test", PRINT, value=value)) == [(value,)]


@settings(deadline=None)
@given(st.lists(PRINTABLE | NASTY, min_size=1, max_size=3), st.text("ab'\\", min_size=1))
def test_a_list_holds_its_values_and_no_more(values: list[str], other: str) -> None:
    """Whoever is in the list is found in it, and nobody else."""
    query = fill("test", "print found = '{wanted}' in ('{values}')", values=values, wanted=other)
    assert evaluated(query) == [(other in values,)]


def test_a_value_that_looks_like_a_parameter_is_a_value() -> None:
    """What is put in is not filled in again."""
    query = fill("test", "print '{a}', '{b}'", a="'{b}'", b="'{a}'")
    assert evaluated(query) == [("'{b}'", "'{a}'")]


@pytest.mark.parametrize("value", ["' or 1 == 1 //", "\\' | union resources //", "x\\", "') or id has ('"])
def test_an_attack_stays_a_text(value: str) -> None:
    """The classic ones, spelled out."""
    assert evaluated(fill("test", PRINT, value=value)) == [(value,)]


def test_a_parameter_that_the_query_does_not_have_is_refused() -> None:
    """Both sides are named, and the file."""
    with pytest.raises(QueryParameterError) as refusal:
        fill("test", PRINT, value="x", tag="y")
    assert str(refusal.value) == "queries/test.kql takes the parameters ['value'], and was given ['tag', 'value']"


def test_a_parameter_that_is_not_given_is_refused() -> None:
    """A query is never sent with a hole in it."""
    with pytest.raises(QueryParameterError, match=r"takes the parameters \['value'\], and was given \[\]"):
        fill("test", PRINT)


def test_a_placeholder_outside_a_literal_is_none() -> None:
    """A parameter is a text; it has no place where KQL expects anything else."""
    with pytest.raises(QueryParameterError, match=r"takes the parameters \[\], and was given \['value'\]"):
        fill("test", "resources | take {value}", value="1")


@pytest.mark.parametrize("value", ["", [], [""], ["a", ""]])
def test_an_empty_parameter_is_refused(value: str | list[str]) -> None:
    """It would find everything, or nothing."""
    with pytest.raises(QueryParameterError, match=r"^parameter value of queries/test\.kql is empty$"):
        fill("test", PRINT, value=value)


@pytest.mark.parametrize("character", ["\0", "\n", "\r", "\t", "\x1f", "\x7f", "\x85", "\x9f", "\u2028", "\u2029"])
@pytest.mark.parametrize("many", [False, True])
def test_control_characters_are_refused(character: str, *, many: bool) -> None:
    """A line break ends a literal; none of them is in any name of Azure's."""
    value = f"a{character}b"
    with pytest.raises(QueryParameterError, match=r"^parameter value of queries/test\.kql holds a control character: "):
        fill("test", PRINT, value=["fine", value] if many else value)


def test_every_query_of_ours_is_known_here() -> None:
    """A query that is added is tested too."""
    assert {file.stem for file in QUERIES.glob("*.kql")} == PARAMETERS.keys()


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_query_is_valid_as_it_stands_and_filled_in(name: str) -> None:
    """It can be pasted into the portal, and it is what Resource Graph is sent."""
    text = read_query(name)
    filled = fill(name, text, **PARAMETERS[name])
    assert duckdb_kql.validate(text) == []
    assert duckdb_kql.validate(filled) == []
    assert (filled != text) is bool(PARAMETERS[name])
    assert "{" not in filled


def test_all_vms_that_are_asked_for_are_in_the_query() -> None:
    """Both places of the query name each of them."""
    filled = fill("confirm", read_query("confirm"), **PARAMETERS["confirm"])
    assert filled.count(f"'{VM_ID.key}', '{VM_ID.key}0'") == 2
