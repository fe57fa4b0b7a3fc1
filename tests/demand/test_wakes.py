"""Wakes: of a message of the queue ``wakes``, only which work queue it is for is read."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_responder.demand.wakes import NotAWakeError, Wake, read_wake
from spot_responder.demand.work_queues import WorkQueue
from spot_responder.intake.work_queue_names import WorkQueueName
from tests.harness.makers import VM_ID

NAME: Final = WorkQueueName("farm", "frames")
AT: Final = ("https://farm.queue.core.windows.net", "https://farm.table.core.windows.net")
QUEUES: Final = (
    WorkQueue(WorkQueueName("farm", "films"), *AT),
    WorkQueue(NAME, *AT, container="frames-in"),
)
ACCOUNT: Final = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts"
NEW_BLOB: Final[dict[str, Any]] = {
    "source": f"{ACCOUNT}/farm",
    "subject": "/blobServices/default/containers/frames-in/blobs/2026/a b.exr",
    "type": "Microsoft.Storage.BlobCreated",
    "data": {"url": "https://farm.blob.core.windows.net/frames-in/2026/a%20b.exr", "eTag": "0x8D", "api": "PutBlob"},
}


def test_a_follow_up_has_a_number() -> None:
    """As the app writes it; whatever is nearly so is refused."""
    assert read_wake(str(Wake(NAME, 17)), QUEUES) == Wake(NAME, 17)
    for text in ("farm/frames -1", "farm/frames 1.5", "farm/frames 17 18", "farm/frames 1234567890"):
        with pytest.raises(NotAWakeError):
            read_wake(text, QUEUES)


@pytest.mark.parametrize(
    "body", ["farm/frames", b" farm/frames\n", json.dumps(NEW_BLOB), json.dumps(NEW_BLOB).encode()]
)
def test_a_wake_names_its_work_queue(body: str | bytes) -> None:
    """By its name, or by a new blob in its container."""
    assert read_wake(body, QUEUES) == Wake(NAME)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"\xff\xfe", "is no work queue: expected <account>/<queue>"),
        ("farm/other", "farm/other is no work queue of this deployment"),
        ("{", "the text is not JSON"),
        ("{}", "is no blob in the container of a work queue"),
        (json.dumps(NEW_BLOB | {"source": f"{ACCOUNT}/other"}), "storageAccounts/other"),
        (json.dumps(NEW_BLOB | {"subject": "/blobServices/default/containers/frames-in-2/blobs/a"}), "frames-in-2"),
        (json.dumps(NEW_BLOB | {"subject": "/blobServices/default/containers//blobs/a"}), "is no blob"),
        (json.dumps(NEW_BLOB | {"subject": 7, "source": None}), "is no blob"),
    ],
)
def test_what_names_none_is_said(body: str | bytes, said: str) -> None:
    """A queue without a container has no blobs, not even in a container without a name."""
    with pytest.raises(NotAWakeError, match=said):
        read_wake(body, QUEUES)


@given(
    st.binary(max_size=300) | st.dictionaries(st.sampled_from(["source", "subject", "data"]), st.text()).map(json.dumps)
)
def test_whatever_somebody_writes_there_is_one_of_our_queues_or_none(body: str | bytes) -> None:
    """And raises nothing else."""
    with suppress(NotAWakeError):
        assert read_wake(body, QUEUES).queue in {queue.name for queue in QUEUES}


@given(st.sampled_from(["data", "id", "time", "type", "vm"]), st.sampled_from([str(VM_ID), None, {"vmId": 1}, 7]))
def test_an_event_of_a_blob_can_say_nothing_but_where_it_is(field: str, value: object) -> None:
    """Whatever else stands in it changes nothing: who writes blobs cannot speak about VMs."""
    assert read_wake(json.dumps(NEW_BLOB | {field: value}), QUEUES) == Wake(NAME)
