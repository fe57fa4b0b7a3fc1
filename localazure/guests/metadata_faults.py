"""What goes wrong with the metadata service of one VM. It can be set while the world runs.

Called by ``metadata_service.py``; each VM has its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

from localazure.guests.event_documents import TimeForm

SLOW_FIRST_CALL: Final = timedelta(minutes=2)
"""How long Azure may take for the first question for scheduled events, which switches them on."""


class Category(StrEnum):
    """The parts of the service that fail each for itself."""

    INSTANCE = "instance"
    SCHEDULED_EVENTS = "scheduledevents"
    IDENTITY = "identity"
    LOAD_BALANCER = "loadbalancer"


class Trouble(StrEnum):
    """What is answered instead of the truth."""

    BAD_REQUEST = "400"
    NOT_FOUND = "404"
    GONE = "410"
    """As while the service is being updated: it is back within 70 seconds."""
    TOO_MANY_REQUESTS = "429"
    SERVER_ERROR = "500"
    UNAVAILABLE = "503"
    SILENCE = "silence"
    """The connection is taken, and nothing comes."""
    RESET = "reset"
    HALF = "half"
    """The true answer, cut off in the middle."""
    RUBBISH = "rubbish"
    """200, and no JSON."""
    EMPTY = "empty"
    """200, and nothing."""


@dataclass(slots=True)
class MetadataFaults:
    """What is played. ``trouble``: for the parts named, until it is taken out again."""

    trouble: dict[Category, Trouble] = field(default_factory=dict)
    first_call_takes: timedelta = timedelta()
    """The first question for scheduled events of each boot, and all that come until it is answered, take so long."""
    ahead: timedelta = timedelta()
    """By how much the clock of the service, and of Azure, is before the VM's own; below nothing, behind it."""
    time_form: TimeForm = TimeForm.RFC_1123
    has_preview: bool = True
    """Whether the api-version with rebalance recommendations is available here."""

    def all_parts(self, trouble: Trouble | None) -> None:
        """Let one thing befall every part; ``None``: all is well again."""
        self.trouble = {} if trouble is None else dict.fromkeys(Category, trouble)
