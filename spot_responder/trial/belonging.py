"""What a trial may delete: what carries its id, and lies in its group or hangs on a system topic. Pure.

The record alone is no proof: it is a file, and a file can be damaged.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spot_responder.trial.journal import Made

GROUP_NAME: Final = "rg-spot-responder-trial-"
HANGING_NAME: Final = "spot-responder-trial-"
_GROUP: Final = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^/]+", re.IGNORECASE)
_RUN: Final = re.compile(r"[0-9a-f]{8}")
_ID: Final = re.compile(r"(?:/(?!\.+(?:/|$))[\w.()-]+)+")
"""The ids of what a trial creates have no other letters, and none leads up again."""
_TRIALS: Final = re.compile(rf"/subscriptions/[^/]+/resourcegroups/{GROUP_NAME}([0-9a-f]{{8}})/.+", re.IGNORECASE)
_TOPIC: Final = re.compile(r".+/providers/microsoft\.eventgrid/systemtopics/[^/]+", re.IGNORECASE)
_VM: Final = re.compile(r".+/providers/microsoft\.compute/virtualmachines/[^/]+", re.IGNORECASE)


def is_group(resource_id: str) -> bool:
    """Whether it is the id of a resource group."""
    return bool(_GROUP.fullmatch(resource_id))


def is_vm(resource_id: str) -> bool:
    """Whether it is the id of a VM."""
    return bool(_VM.fullmatch(resource_id))


def is_topic(resource_id: str) -> bool:
    """Whether it is the id of a system topic."""
    return bool(_TOPIC.fullmatch(resource_id))


def is_within(resource_id: str, above: str) -> bool:
    """Whether an id is that of a resource above, or of one in it or at it."""
    return f"{resource_id.lower()}/".startswith(f"{above.lower()}/")


def is_own(made: Made) -> bool:
    """Whether what the record lists can be of the trial that it names."""
    run = made.run
    if not _RUN.fullmatch(run) or not _ID.fullmatch(made.resource_id):
        return False
    beginning = rf"/subscriptions/[^/]+/resourcegroups/(?:{GROUP_NAME}{run}(?:/.+)?|"
    hanging = rf"[^/]+/providers/microsoft\.eventgrid/systemtopics/[^/]+/eventsubscriptions/{HANGING_NAME}\w+-{run})"
    return bool(re.fullmatch(beginning + hanging, made.resource_id, re.IGNORECASE))


def strangers(listed: Iterable[str], recorded: Iterable[Made], group: Made) -> list[str]:
    """Give what is in a trial's group and not its own: neither in the record, nor called by its id, as disks are.

    An event subscription on a topic of the trial may be somebody else's: a subscription has one topic for all.
    """
    own = [each.resource_id for each in recorded if each.resource_id.lower() != group.resource_id.lower()]

    def is_its_own(resource_id: str) -> bool:
        if group.run in resource_id.rpartition("/")[2].lower():
            return True
        above = [one for one in own if not (is_topic(one) and one.lower() != resource_id.lower())]
        return any(is_within(resource_id, one) for one in above)

    return [each for each in listed if not is_its_own(each)]


def trial_of(resource_id: str) -> str:
    """Give the id of the trial in whose group a resource is; ``""`` where it is in none."""
    found = _TRIALS.fullmatch(resource_id)
    return found[1].lower() if found else ""
