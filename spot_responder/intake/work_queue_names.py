"""The name of a work queue, as the tag ``StartForWork=<account>/<queue>`` and the messages of ``wakes`` give it. Pure.

Called by ``decisions/work.py`` for the tag, by ``demand/work_queues.py`` for the settings, and by
``responder/work/looks.py`` for wakes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from spot_responder.text import shortened

WORK_TAG: Final = "StartForWork"
"""The tag that asks for a VM to be started while its work queue has jobs."""

# Azure's rules: "Storage account overview" (3 to 24 of a-z and 0-9), "Naming queues and metadata".
_NAME: Final = re.compile(r"(?P<account>[a-z0-9]{3,24})/(?P<queue>[a-z0-9](?!.*--)[a-z0-9-]{1,61}[a-z0-9])")


class NotAWorkQueueError(ValueError):
    """The text is no ``<account>/<queue>``; the message quotes it, and says what is expected."""


@dataclass(frozen=True, slots=True, order=True)
class WorkQueueName:
    """A queue and the storage account that it is in."""

    account: str
    queue: str

    def __str__(self) -> str:
        """Give it as the tag has it."""
        return f"{self.account}/{self.queue}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``<account>/<queue>``, exactly: a name that is only nearly right may be another queue's.

        Raises:
            NotAWorkQueueError: for anything else.
        """
        match = _NAME.fullmatch(text)
        if match is None:
            message = f"{shortened(text, 100)!r} is no work queue: expected <account>/<queue>, such as farm/frames"
            raise NotAWorkQueueError(message)
        return cls(match["account"], match["queue"])
