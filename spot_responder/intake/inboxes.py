"""Which messages are read from which queue: from each inbox only what may come into it. Pure.

Whoever may write to the queue ``agents`` must not be able to speak for Azure, an owner or an operator: from there only
the agents' types are read, and from ``signals`` all but those.

Called by ``responder/responder.py`` for each message, and by ``operators/views/dead_letters.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from spot_responder.intake.agent_reports import read_agent_report
from spot_responder.intake.events import read_event
from spot_responder.intake.signals import Inbox

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spot_responder.intake.payloads import NotOurs
    from spot_responder.intake.signals import Signal


def read_from(inbox: Inbox, event: Mapping[str, object]) -> Signal | NotOurs:
    """Read a message of one inbox, and say why where it is not for the app.

    Raises:
        UnreadableEvent: if it is none that can be read.
    """
    match inbox:
        case Inbox.SIGNALS:
            return read_event(event)
        case Inbox.AGENTS:
            return read_agent_report(event)
        case _:
            assert_never(inbox)
