"""What anybody may have written reaches a terminal as plain text: tags, Azure's words, dead letters, names."""

from __future__ import annotations

import json
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_responder.advised_command import CommandLine
from spot_responder.commands import explain, plan, replay, status
from spot_responder.commands.replay import Found, Shown
from spot_responder.intake.azure_errors import classify
from spot_responder.intake.own_messages import follow_up_event
from spot_responder.intake.vms import NotAVmIdError, VmId
from spot_responder.operators.gather import gather_explanation
from spot_responder.operators.views.dead_letters import DeadLetter, Place, QueueCounts, read_dead_letter
from spot_responder.operators.views.status import overview
from spot_responder.terminal.console import Console
from spot_responder.text import one_line, shortened
from spot_responder.web.views.page import status_page
from tests.harness.makers import TEN, VM_ID, at
from tests.operators.views.test_plan import planned

if TYPE_CHECKING:
    from tests.harness.stories import NewAzure

EVIL = "\x1b]0;owned\x07\u202eevil\u2066\x9b31m\nforged line\x00"
"""Sets a terminal's title, rings, turns the direction, colours, begins a line."""

CONSOLE = Console(TEN, UTC)


def is_plain(text: str) -> bool:
    """Answer whether a terminal would obey nothing in it but the ends of lines."""
    return all(char.isprintable() or char == "\n" for char in text)


@given(st.text())
def test_one_line_is_one_line_and_plain(text: str) -> None:
    """Whatever it was."""
    assert one_line(text).isprintable()


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1))
def test_what_can_be_read_stays_as_it_is(text: str) -> None:
    """In any script."""
    assert one_line(text) == text


def test_a_hostile_vm_and_azures_hostile_words_reach_no_terminal(new_azure: NewAzure) -> None:
    """Its tags, what Azure says of its start, at ``explain``, ``status`` and on the page."""
    azure = new_azure()
    azure.add_vm()
    azure.world.refuse_next_start("render-1", f"Code{EVIL}", f"words {EVIL}", 409)
    azure.world.evict("render-1")
    azure.run_until(at("10:00:30"))
    vm_id = VmId.parse(azure.world.machine("render-1").vm_id)
    explained = azure.do(gather_explanation(vm_id, azure.ports(), azure.settings, azure.now))
    said = explain.render(explained, CONSOLE)
    assert "words ?]0;owned??evil" in said
    assert "\nforged line" not in said
    assert is_plain(said)
    rows = azure.do(azure.ports().store.all_recoveries())
    around = overview([row.value for row in rows], [], [], QueueCounts(0, 0, 0, 0, 0), azure.now)
    assert is_plain(status.render(around, CONSOLE))
    assert is_plain(status_page(around, CommandLine()))


@pytest.mark.parametrize(
    "tags",
    [
        {"AttemptRestartAfterEviction": f"yes{EVIL}"},
        {f"AttemptRestartAfterEviction{EVIL}": "true"},
        {f"AttemptRestartAfterEvictio\u202e{chr(27)}": "true"},
    ],
)
def test_a_hostile_near_miss_reaches_no_terminal(new_azure: NewAzure, tags: dict[str, str]) -> None:
    """Its name or its value, at ``explain`` and ``plan``."""
    azure = new_azure()
    azure.add_vm(tags=tags)
    vm_id = VmId.parse(azure.world.machine("render-1").vm_id)
    assert is_plain(
        explain.render(azure.do(gather_explanation(vm_id, azure.ports(), azure.settings, azure.now)), CONSOLE)
    )
    assert is_plain(plan.render(planned(azure), azure.settings.policy.restart_tag, CONSOLE))


@pytest.mark.parametrize(
    "event",
    [
        follow_up_event(VM_ID, 1, TEN, "one")
        | {"deadLetterReason": EVIL, "deliveryAttempts": EVIL, "lastDeliveryOutcome": EVIL},
        {"type": EVIL, "source": EVIL, "specversion": "1.0"},
        {
            "specversion": "1.0",
            "type": "Microsoft.ResourceNotifications.HealthResources.ResourceAnnotated",
            "source": "x",
            "data": {
                "resourceInfo": {
                    "properties": {
                        "targetResourceId": str(VM_ID),
                        "annotationName": f"VirtualMachinePreempted{EVIL}",
                    }
                }
            },
        },
    ],
)
def test_a_hostile_dead_letter_reaches_no_terminal(event: dict[str, object]) -> None:
    """Neither in the list nor as a whole."""
    dead_letter = DeadLetter(Place.DEAD, "0123abcd", TEN, (json.dumps(event),), "x")
    shown = Shown(dead_letter, read_dead_letter(dead_letter))
    assert is_plain(replay.render(Found((shown,)), CONSOLE))
    assert is_plain(replay.whole(shown, CONSOLE))


@pytest.mark.parametrize("body", [EVIL, json.dumps({"error": {"code": EVIL, "message": EVIL}})])
def test_azures_words_are_kept_plain(body: str) -> None:
    """They are saved as they are shown: row, log, events and page have them from there."""
    failure = classify(409, body, {})
    assert failure.code.isprintable()
    assert failure.message.isprintable()


@pytest.mark.parametrize("character", ["\u202e", "\x1b", "\u200b", "\ufeff", "\u2028", "\x85"])
def test_no_id_carries_what_cannot_be_seen(character: str) -> None:
    """One that is told with such letters is no id."""
    with pytest.raises(NotAVmIdError):
        VmId.parse(str(VM_ID).replace("render", f"ren{character}der"))


def test_a_time_is_enough_for_the_paper() -> None:
    """The paper itself adds nothing but colours, and those on a terminal only."""
    assert is_plain(CONSOLE.title("x") + CONSOLE.away(TEN + timedelta(days=2)))


@given(st.text(max_size=80), st.integers(10, 60))
def test_a_text_that_is_cut_keeps_its_beginning_and_its_end(text: str, at_most: int) -> None:
    """An id has its name last, a list of reasons the one that counts; and no cut is longer than what was allowed."""
    short = shortened(text, at_most)
    assert len(short) == min(len(text), at_most)
    assert short == text or (" … " in short and text.startswith(short[:3]) and text.endswith(short[-3:]))
