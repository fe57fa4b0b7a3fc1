"""The setting ``WORK_QUEUES``, and names of work queues."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from spot_responder.demand.work_queues import NoWorkQueuesError, WorkQueue, read_work_queues
from spot_responder.intake.work_queue_names import NotAWorkQueueError, WorkQueueName

ENTRY: dict[str, Any] = {
    "name": "farm/frames",
    "queueEndpoint": "https://farm.queue.core.windows.net/",
    "tableEndpoint": "https://farm.table.core.windows.net",
}


def test_a_work_queue_is_read() -> None:
    """With what may be set of it; no text is no work queue."""
    full = ENTRY | {"messagesPerVm": 5, "maxVms": 100, "idleMinutes": 0, "minimumMinutes": 3, "container": "frames-in"}
    (read,) = read_work_queues(json.dumps([full]))
    assert read == WorkQueue(
        WorkQueueName("farm", "frames"),
        "https://farm.queue.core.windows.net",
        "https://farm.table.core.windows.net",
        messages_per_vm=5,
        max_vms=100,
        idle=timedelta(),
        minimum=timedelta(minutes=3),
        container="frames-in",
    )
    assert read_work_queues(" ") == ()
    assert read_work_queues(json.dumps([ENTRY]))[0].messages_per_vm == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no sense", "a JSON list of work queues"),
        ("{}", "a JSON list of work queues"),
        ("[1]", "an object as entry 1"),
        (json.dumps([ENTRY, ENTRY]), "each work queue once"),
        (json.dumps([ENTRY | {"maxVm": 1}]), "entry 1 to have no field 'maxVm'"),
        (json.dumps([ENTRY | {"name": "frames"}]), "the name of entry 1 as <account>/<queue>"),
        (json.dumps([ENTRY | {"queueEndpoint": "http://farm"}]), "queueEndpoint of entry 1 to be an https address"),
        (json.dumps([ENTRY | {"tableEndpoint": "https://a]"}]), "tableEndpoint of entry 1 to be an https address"),
        (json.dumps([ENTRY | {"maxVms": 101}]), "maxVms of entry 1 to be a whole number from 1 to 100"),
        (json.dumps([ENTRY | {"container": "Frames"}]), "container of entry 1 to be the name of a container"),
        (json.dumps([ENTRY | {"container": 7}]), "container of entry 1 to be the name of a container"),
        (json.dumps([ENTRY | {"container": "frames-checkpoints"}]), "container of entry 1 .* none of checkpoints"),
        (
            json.dumps([ENTRY | {"container": "new"}, ENTRY | {"name": "farm/films", "container": "new"}]),
            "each container once",
        ),
        (json.dumps([ENTRY | {"idleMinutes": True}]), "idleMinutes of entry 1 to be a whole number from 0 to 10080"),
    ],
)
def test_what_makes_no_sense_is_named(text: str, expected: str) -> None:
    """The entry and the field."""
    with pytest.raises(NoWorkQueuesError, match=expected.replace("[", r"\[")):
        read_work_queues(text)


@pytest.mark.parametrize(
    "text", ["", "frames", "farm/", "/frames", "Farm/frames", "farm/frames ", "farm/a--b", "a/frames"]
)
def test_a_name_is_read_exactly(text: str) -> None:
    """One that is nearly right may be another queue's."""
    with pytest.raises(NotAWorkQueueError, match="expected <account>/<queue>"):
        WorkQueueName.parse(text)
    assert str(WorkQueueName.parse("farm/frames")) == "farm/frames"
