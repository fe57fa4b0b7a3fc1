"""host.json and app settings: what the host takes from them, and what it refuses."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from localazure.functions.host_settings import (
    HostSettingsError,
    MessageEncoding,
    QueueSettings,
    read_queue_settings,
    resolved,
)

if TYPE_CHECKING:
    from pathlib import Path


def _host_json(folder: Path, queues: object) -> Path:
    path = folder / "host.json"
    path.write_text(json.dumps({"version": "2.0", "extensions": {"queues": queues}}), "utf-8")
    return path


def test_what_host_json_leaves_out_is_as_in_azure(tmp_path: Path) -> None:
    """An app without queue settings runs with Azure's defaults."""
    path = tmp_path / "host.json"
    path.write_text('{"version": "2.0"}', "utf-8")
    assert read_queue_settings(path) == QueueSettings(
        16, 8, timedelta(minutes=1), timedelta(0), 5, MessageEncoding.BASE64
    )


def test_the_queue_settings_are_read(tmp_path: Path) -> None:
    """Each setting of extensions.queues arrives, time spans with their fractions."""
    given = {
        "batchSize": 8,
        "newBatchThreshold": 4,
        "maxPollingInterval": "00:00:01.5",
        "visibilityTimeout": "01:02:03",
        "maxDequeueCount": 3,
        "messageEncoding": "none",
    }
    assert read_queue_settings(_host_json(tmp_path, given)) == QueueSettings(
        8, 4, timedelta(seconds=1.5), timedelta(hours=1, minutes=2, seconds=3), 3, MessageEncoding.NONE
    )


@pytest.mark.parametrize(
    ("queues", "named"),
    [
        ({"batchSize": 33}, "batchSize is 33: .* from 1 to 32"),
        ({"batchSize": "8"}, "batchSize is '8'"),
        ({"maxDequeueCount": 0}, "maxDequeueCount is 0"),
        ({"maxDequeueCount": True}, "maxDequeueCount is True"),
        ({"visibilityTimeout": "30"}, "visibilityTimeout is '30'.*time span"),
        ({"maxPollingInterval": "00:00:00.05"}, "maxPollingInterval .*or longer"),
        ({"messageEncoding": "rot13"}, "messageEncoding is 'rot13'"),
        ({"batchsize": 8}, "batchsize is not a setting; there are batchSize"),
    ],
)
def test_a_senseless_queue_setting_is_named(tmp_path: Path, queues: object, named: str) -> None:
    """A setting that Azure would refuse or overlook stops the start, and is named."""
    with pytest.raises(HostSettingsError, match=named):
        read_queue_settings(_host_json(tmp_path, queues))


@pytest.mark.parametrize("content", [None, "{", "[]", '{"extensions": []}'])
def test_a_host_json_that_cannot_be_read_is_named(tmp_path: Path, content: str | None) -> None:
    """A missing or broken host.json is told with its path."""
    path = tmp_path / "host.json"
    if content is not None:
        path.write_text(content, "utf-8")
    with pytest.raises(HostSettingsError, match=r"host\.json cannot be read"):
        read_queue_settings(path)


def test_names_between_percent_signs_are_filled_in() -> None:
    """%NAME% in a trigger becomes the app setting; one that is not set is named, with who asks for it."""
    assert resolved("%A%-%B%!", {"A": "1", "B": "2"}, "here") == "1-2!"
    with pytest.raises(HostSettingsError, match="app setting B is not set; the timerTrigger of function sweep"):
        resolved("%A%-%B%", {"A": "1"}, "the timerTrigger of function sweep")
