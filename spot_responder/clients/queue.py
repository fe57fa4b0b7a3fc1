"""The port to a queue, ``signals`` or ``agents``: the app puts messages there to itself.

Opened by ``connections.py``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from spot_responder.decisions.policy import LONGEST_DELAY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from azure.storage.queue.aio import QueueClient


@dataclass(frozen=True, slots=True)
class MessageQueue:
    """The port to a queue. The client encodes messages in base64, as the Functions host expects them."""

    client: QueueClient

    async def put(self, event: Mapping[str, object], delay: timedelta) -> None:
        """Put an event on the queue, visible after ``delay``; it never expires, so that an outage loses nothing."""
        hidden_s = ceil(min(delay, LONGEST_DELAY).total_seconds())
        await self.client.send_message(json.dumps(event), visibility_timeout=hidden_s, time_to_live=-1)
