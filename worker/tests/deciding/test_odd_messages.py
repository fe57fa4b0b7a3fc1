"""Messages that no sender should send, and what is too large for where it is to stand."""

from __future__ import annotations

import json

import pytest

from spot_worker.deciding.json_values import MOST_DEPTH, NoJsonError, check_json, read_json
from spot_worker.deciding.messages import (
    MOST_MESSAGE_BYTES,
    read_message,
    read_poison,
    write_again,
    write_message,
    write_poison,
)
from spot_worker.deciding.results import ImpossibleResultError, check_value
from spot_worker.running.poison_requeue import Requeued, requeue
from workbench.jumping import at_once
from workbench.makers import JOB, QUEUE
from workbench.virtual import Outside
from workbench.virtual_child import returns


@pytest.mark.parametrize("body", ["NaN", "[1,-Infinity]", '{"a":1e999}', "[" * 990 + "]" * 990, "[" * 101 + "]" * 101])
def test_a_body_that_is_no_json_is_a_text(body: str) -> None:
    text = f'{{"spot_worker":1,"id":"x","body":{body}}}'
    assert read_message("message-1", text).body == text
    assert read_message("message-1", text).id == "message-1"


@pytest.mark.parametrize("body", ["[" * 99 + "]" * 99, '{"a":1e3}', "null"])
def test_a_body_that_is_json_is_taken(body: str) -> None:
    text = f'{{"spot_worker":1,"id":"x","body":{body}}}'
    assert read_message("message-1", text).body == json.loads(body)


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": (1, float("-inf"))}])
def test_what_json_has_no_word_for_cannot_be_submitted(value: object) -> None:
    with pytest.raises(NoJsonError, match="NaN"):
        write_message("id", value)


def test_what_is_nested_too_deep_says_how_deep_it_may_be() -> None:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(NoJsonError, match=str(MOST_DEPTH)):
        check_json(value)
    with pytest.raises(NoJsonError):
        read_json("[" * 100_000)
    for text in ("[" * 990 + "]" * 990, "NaN"):
        with pytest.raises(ImpossibleResultError, match="cannot be kept"):
            check_value(text)


def test_letters_of_other_alphabets_take_no_more_than_they_must() -> None:
    text = write_message("id", "\u0431" * 30_000)
    assert len(text.encode()) < MOST_MESSAGE_BYTES
    assert read_message("message-1", text).body == "\u0431" * 30_000
    strange = "\u0431" * 25_000 + "\ud800\uffff\x00\x7f\U0001f600"
    written = write_message("id", strange)
    assert not set(written) & set("\ud800\uffff\x00\x7f")
    assert read_message("message-1", written).body == strange


def test_a_poison_message_always_has_its_reason() -> None:
    for body in ("\u0431" * 32_000, "x" * 65_000):
        job = read_message("message-1", body)
        given_up = read_poison("message-2", write_poison(job, QUEUE, "it failed", 3, {"failures": 3}))
        assert (given_up.job.id, given_up.reason, given_up.attempt) == ("message-1", "it failed", 3)
        is_whole = given_up.job.body == body
        assert is_whole is not bool(given_up.body_in)


def test_a_job_whose_body_is_too_large_for_the_poison_queue_is_requeued_with_it() -> None:
    async def story() -> Requeued:
        await outside.works(once=False, until_empty=True)
        (_, text), *_ = outside.sent
        assert read_poison("message-2", text).body_in
        ports = outside.ports()
        return await requeue(ports.queue, ports.blobs, QUEUE, read_poison("message-2", text))

    body = "x" * 65_440
    outside = Outside(returns)
    outside.submit(JOB, body)
    outside.kept[f"{QUEUE}/{JOB}/pointer.json"] = outside.blob(b"{no record")
    with_reason = at_once(story())
    assert with_reason is Requeued.PUT_BACK
    assert read_message("message-3", outside.sent[-1][1]) == read_message("x", write_message(JOB, body))
    assert write_again(read_message("message-3", outside.sent[-1][1])) == outside.sent[-1][1]
