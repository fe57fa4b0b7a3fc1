"""What the watcher asks of the helper, and how it is read: as it was meant, or refused."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_agent.configuration import FOLDERS
from spot_agent.deciding.actions import RunHooks, StartUnits, StopUnits
from spot_agent.deciding.plans import LONGEST_RECOVERY_S, PLANS
from spot_agent.installed.helper_words import RUN, WORDS, Begin, RefusedError, read_request, write_request

SECONDS = st.floats(0, LONGEST_RECOVERY_S)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
HOOKS = st.builds(
    RunHooks,
    run=st.just(RUN),
    folder=st.sampled_from([plan.folder for plan in PLANS.values()]),
    essential=st.booleans(),
    default_s=SECONDS,
    cap_s=SECONDS,
    variables=st.dictionaries(st.sampled_from(["SPOT_AGENT_EVENT_ID", "SPOT_AGENT_SECONDS_LEFT"]), TEXT),
    details=st.dictionaries(TEXT, TEXT),
    skip=st.lists(TEXT).map(tuple),
)


@given(asked=HOOKS)
def test_what_is_asked_is_what_is_read(asked: RunHooks) -> None:
    """Whatever Azure wrote into the event."""
    assert read_request(write_request(asked)) == asked


@pytest.mark.parametrize("folder", ["cancelled", "recover"])
def test_hooks_without_a_second_phase_have_one_word(folder: str) -> None:
    """All of them run at once."""
    asked = RunHooks(RUN, folder, None, 600.0, LONGEST_RECOVERY_S, {}, {})
    assert write_request(asked).startswith(f"{folder} ".encode())
    assert read_request(write_request(asked)) == asked


@pytest.mark.parametrize("asked", [Begin(), StopUnits(RUN), StartUnits(RUN)])
def test_what_needs_no_facts_is_the_word_alone(asked: Begin | StopUnits | StartUnits) -> None:
    """Which units stands in root's file."""
    assert write_request(asked).decode().strip() in WORDS
    assert read_request(write_request(asked)) == asked


def test_every_event_has_its_words() -> None:
    """And there are no others."""
    words = {word.rpartition("-")[0] if word.endswith(("-essential", "-rest")) else word for word in WORDS}
    assert words == {*FOLDERS, "begin", "stop-units", "start-units"}


@given(line=st.binary(max_size=60) | st.tuples(st.sampled_from(sorted(WORDS)), st.text()).map(" ".join).map(str.encode))
def test_rubbish_is_refused_and_nothing_else_comes_of_it(line: bytes) -> None:
    """No other error, so the watcher always gets an answer."""
    with suppress(RefusedError):
        read_request(line)


@pytest.mark.parametrize("name", ["PATH", "LD_PRELOAD", "SPOT_AGENT_", "SPOT_AGENT_x", "SPOT_AGENT_A=B"])
@given(asked=HOOKS)
def test_a_variable_of_another_name_is_refused(asked: RunHooks, name: str) -> None:
    """It could change what root runs."""
    with pytest.raises(RefusedError, match="variable"):
        read_request(write_request(replace(asked, variables={name: "x"})))
