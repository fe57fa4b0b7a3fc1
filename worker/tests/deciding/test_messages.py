"""Whatever stands in a message is a job; what no message can hold is refused before anything is sent."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_worker.deciding.messages import (
    MOST_MESSAGE_BYTES,
    JobMessage,
    MessageTooLargeError,
    NewerMessageError,
    check_known,
    read_message,
    read_poison,
    write_again,
    write_message,
    write_poison,
)
from spot_worker.deciding.names import is_job_id

_CLOUD_EVENT: dict[str, Any] = {
    "type": "Microsoft.Storage.BlobCreated",
    "subject": "/blobServices/default/containers/in/blobs/a b.exr",
    "data": {"api": "PutBlob", "eTag": "0x8D", "url": "https://farm.blob.core.windows.net/in/a%20b.exr"},
}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(ANY_JSON)
def test_a_job_of_ours_comes_back_as_it_was_submitted(body: object) -> None:
    text = write_message("job-1", body)
    read = read_message("message-1", text)
    assert (read.id, read.body) == ("job-1", body)
    assert text.isascii()


@given(st.text())
def test_every_text_is_a_job(text: str) -> None:
    read = read_message("message-1", text)
    assert read.text == text


@pytest.mark.parametrize(
    "text", ["", "resize cat.png", '{"a": 1}', "[1, 2]", "\x00\x01", "ä", '{"spot_worker": 1}', "{"]
)
def test_a_text_of_somebody_else_is_the_body_and_the_messages_id_the_jobs(text: str) -> None:
    read = read_message("message-1", text)
    assert (read.id, read.body) == ("message-1", text)


def test_a_new_blob_is_one_job_with_its_address_however_often_and_in_whatever_schema_its_event_comes() -> None:
    cloud, grid = (
        {"id": "1", **_CLOUD_EVENT},
        {"id": "2", "eventType": _CLOUD_EVENT["type"], "data": _CLOUD_EVENT["data"]},
    )
    texts = [json.dumps(cloud), base64.b64encode(json.dumps(cloud).encode()).decode(), json.dumps(grid)]
    read = [read_message(f"message-{number}", text) for number, text in enumerate(texts)]
    assert {one.id for one in read} == {read[0].id}
    assert [one.body for one in read] == ["https://farm.blob.core.windows.net/in/a%20b.exr"] * 3
    assert is_job_id(read[0].id)
    assert read_message("message-4", write_again(read[0])).id == read[0].id


def test_a_blob_that_is_written_again_is_another_job() -> None:
    again = {**_CLOUD_EVENT, "data": {**_CLOUD_EVENT["data"], "eTag": "0x8E"}}
    assert read_message("m", json.dumps(again)).id != read_message("m", json.dumps(_CLOUD_EVENT)).id


@pytest.mark.parametrize(
    "changed",
    [
        {"type": "Microsoft.Storage.BlobDeleted"},
        {"type": 7},
        {"data": None},
        {"data": {"url": "https://farm.blob.core.windows.net/in/a"}},
        {"data": {"url": "file:///etc/passwd", "eTag": "0x8D"}},
        {"data": {"url": "https://a]", "eTag": "0x8D"}},
        {"data": {"url": 7, "eTag": "0x8D"}},
    ],
)
def test_any_other_event_is_a_job_as_every_text_is(changed: dict[str, object]) -> None:
    text = json.dumps({**_CLOUD_EVENT, **changed})
    assert read_message("message-1", text) == JobMessage("message-1", text, text)


@given(st.text(), st.text(min_size=1))
def test_whatever_a_blob_is_called_its_job_has_an_id(name: str, etag: str) -> None:
    data = {"url": f"https://farm.blob.core.windows.net/{name}", "eTag": etag}
    assert is_job_id(read_message("-", json.dumps({**_CLOUD_EVENT, "data": data})).id)


def test_base64_is_decoded_where_a_person_could_read_what_is_in_it() -> None:
    assert read_message("m", base64.b64encode("größe: 7\n".encode()).decode()).body == "größe: 7\n"
    binary = base64.b64encode(bytes(range(40))).decode()
    assert read_message("m", binary).body == binary


def test_a_job_of_ours_may_be_wrapped_in_base64() -> None:
    wrapped = base64.b64encode(write_message("job-1", [7]).encode()).decode()
    read = read_message("m", wrapped)
    assert (read.id, read.body, read.text) == ("job-1", [7], wrapped)


@pytest.mark.parametrize("job_id", ["../../other", "", "a/b", "x" * 200, 7, None, "ends.", "#"])
def test_an_id_that_could_name_another_blob_is_no_id_of_ours(job_id: object) -> None:
    text = json.dumps({"spot_worker": 1, "id": job_id, "body": 1})
    assert read_message("message-1", text).id == "message-1"


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_a_message_of_a_newer_version_is_no_text_of_somebody_else(is_wrapped: bool) -> None:  # noqa: FBT001 - a case
    text = json.dumps({"spot_worker": 2, "id": "job-1", "parts": []})
    text = base64.b64encode(text.encode()).decode() if is_wrapped else text
    read = read_message("message-1", text)
    assert (read.id, read.text) == ("job-1", text)
    with pytest.raises(NewerMessageError, match="format 2, and this version knows 1"):
        check_known(read)
    assert read_message("message-1", '{"spot_worker": 2, "id": "../x"}').id == "message-1"


@pytest.mark.parametrize("form", [False, 0, -1, "2", 2.5, None, [2]])
def test_what_is_no_newer_format_is_a_text_as_before(form: object) -> None:
    text = json.dumps({"spot_worker": form, "id": "job-1", "body": 7})
    read = read_message("message-1", text)
    assert (read.id, read.body) == ("message-1", text)
    check_known(read)


def test_what_is_too_large_is_refused_with_what_to_do() -> None:
    with pytest.raises(MessageTooLargeError, match="put the data into a blob"):
        write_message("job-1", "x" * MOST_MESSAGE_BYTES)


def test_a_poison_message_tells_why_and_can_be_made_a_job_again() -> None:
    job = read_message("message-1", "resize cat.png")
    poison = read_poison("other", write_poison(job, "frames", "it failed", 3, {"failures": 3}))
    assert (poison.job.id, poison.job.body) == ("message-1", "resize cat.png")
    assert (poison.reason, poison.attempt, poison.counters) == ("it failed", 3, {"failures": 3})
    again = read_message("a-third", write_again(poison.job))
    assert (again.id, again.body) == ("message-1", "resize cat.png")


def test_a_job_that_fills_its_message_is_given_up_with_its_reason_and_its_body_is_kept_elsewhere() -> None:
    text = write_message("job-1", "x" * (MOST_MESSAGE_BYTES - 100))
    poison = read_poison("other", write_poison(read_message("m", text), "frames", "it failed " * 30, 3, {}))
    assert (poison.job.id, poison.job.body, poison.reason, poison.attempt) == ("job-1", None, "it failed " * 30, 3)
    assert poison.body_in == "frames/job-1/message.txt"
    foreign = read_message("m", "x" * MOST_MESSAGE_BYTES)
    assert write_again(foreign) == foreign.text


def test_a_poison_message_of_somebody_else_is_read_as_far_as_it_makes_sense() -> None:
    written = {"spot_worker": 1, "id": "job-1", "body": 1, "reason": 7, "attempt": "x", "counters": []}
    poison = read_poison("m", json.dumps(written))
    assert (poison.job.id, poison.reason, poison.attempt, poison.counters) == ("job-1", "", None, {})
