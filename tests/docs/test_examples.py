"""The examples in the docs are what the commands print: played anew, and held against the page in shape."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from localazure.demo.as_operator import run_command
from localazure.demo.examples import PAGE, blocks, filled, play, shape

if TYPE_CHECKING:
    from pathlib import Path

WRITTEN = blocks(PAGE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Play the examples once."""
    folder: Path = tmp_path_factory.mktemp("examples")
    return asyncio.run(play(folder))


@pytest.mark.parametrize("name", WRITTEN)
def test_an_example_has_the_shape_of_what_is_printed(name: str, told: dict[str, str]) -> None:
    """Where it does not: `make examples`."""
    assert shape(WRITTEN[name]) == shape(told[name])


def test_every_example_of_the_story_is_shown(told: dict[str, str]) -> None:
    """What is played is read by somebody."""
    assert told.keys() == WRITTEN.keys()


def test_every_command_has_an_example() -> None:
    """One that is added is shown; but `trial`, which takes a subscription of its own, is told of without one."""
    commands = set(re.findall(r"^    ([a-z-]+) ", run_command(("--help",), {}).out, re.MULTILINE))
    shown = {text.split()[2] for text in WRITTEN.values()}
    assert len(commands) > 10
    assert commands - shown == {"trial"}
    assert shown <= commands
    assert "\n**trial** " in PAGE.read_text(encoding="utf-8")


def test_a_shape_forgets_what_differs_and_nothing_else() -> None:
    """Times, ids, numbers and the width of columns."""
    one = "VM    since                    (in 3 s)\nvm-1  2026-03-02 10:00:00 UTC  7 s  1f0c2a9b 12\n"
    other = "VM  since     (2 min 4 s ago)\nvm-1  2027-12-31 23:59:59 CET  1 min 3 s  00000000   3\n"
    assert shape(one) == shape(other)
    assert shape("at 23:36:48 (in 1 s)") == shape("at 2026-11-26 00:03:48 (in 10 min 27 s)")
    assert shape(one) != shape(one.replace("since", "until"))
    assert shape("1 message") != shape("1 recovery")


def test_a_page_is_filled_between_its_marks_only() -> None:
    """The words around an example are somebody's."""
    page = "before\n<!-- example: a -->\n```\nold\n```\nafter\n```\nno example\n```\n"
    assert filled(page, {"a": "new\n"}) == page.replace("old", "new")
    with pytest.raises(KeyError):
        filled(page, {})
