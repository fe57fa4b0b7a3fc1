"""A message of a newer version is left to the workers of that version, as a record of theirs is."""

from __future__ import annotations

import pytest

from spot_worker.deciding.messages import NewerMessageError, read_poison
from spot_worker.running.poison_requeue import requeue
from workbench.jumping import at_once
from workbench.virtual import MESSAGE, QUEUE, Message, Outside
from workbench.virtual_child import returns

_NEWER = '{"spot_worker": 2, "id": "job-1", "parts": [], "reason": "no"}'


def test_a_message_that_a_newer_version_has_sent_is_left_to_it() -> None:
    outside = Outside(returns, messages={MESSAGE: Message(_NEWER)})
    at_once(outside.works())
    assert (outside.kept, outside.sent) == ({}, [])
    assert "newer version" in outside.log.events("left to a newer worker")[0]["why"]
    assert 0 < outside.messages[MESSAGE].visible_at < 10


def test_a_job_that_a_newer_version_has_given_up_is_requeued_by_that_version_only() -> None:
    async def story() -> None:
        ports = outside.ports()
        given_up = read_poison("message-2", _NEWER)
        assert (given_up.job.id, given_up.job.body, given_up.reason) == ("job-1", _NEWER, "")
        await requeue(ports.queue, ports.blobs, QUEUE, given_up)

    outside = Outside(returns)
    with pytest.raises(NewerMessageError):
        at_once(story())
    assert outside.sent == []
