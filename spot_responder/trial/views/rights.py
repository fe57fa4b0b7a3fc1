"""The rights that a trial needs, by its steps, and which of them a login lacks. Pure.

``tests/trial`` runs a trial with these and no others.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import field
from spot_responder.trial.views.verdicts import Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_VM: Final = "Microsoft.Compute/virtualMachines"
_STORAGE: Final = "Microsoft.Storage/storageAccounts"
ALWAYS: Final = ("Microsoft.Authorization/permissions/read", "Microsoft.Authorization/roleDefinitions/read")
"""Before anything is created: what the login may do, and whether the app lives here."""
_GRAPH: Final = (
    f"{_VM}/read",
    "Microsoft.Compute/virtualMachineScaleSets/read",
    "Microsoft.ResourceHealth/resourceAnnotations/read",
)
"""What Resource Graph is asked about."""
NEEDED: Final[Mapping[Step, tuple[str, ...]]] = {
    Step.READ: (
        "Microsoft.Resources/subscriptions/read",
        "Microsoft.Resources/providers/read",
        "Microsoft.EventGrid/systemTopics/read",
        *_GRAPH,
    ),
    Step.OFFERINGS: ("Microsoft.Compute/skus/read",),
    Step.GROUP: (
        "Microsoft.Resources/subscriptions/resourceGroups/read",
        "Microsoft.Resources/subscriptions/resourceGroups/write",
        "Microsoft.Resources/subscriptions/resourceGroups/delete",
        "Microsoft.Resources/subscriptions/resourceGroups/resources/read",
    ),
    Step.WITNESS: (
        f"{_STORAGE}/read",
        f"{_STORAGE}/write",
        f"{_STORAGE}/queueServices/queues/read",
        f"{_STORAGE}/queueServices/queues/write",
        f"{_STORAGE}/blobServices/containers/read",
        f"{_STORAGE}/blobServices/containers/write",
        "Microsoft.Authorization/roleAssignments/write",
        "Microsoft.EventGrid/systemTopics/read",
        "Microsoft.EventGrid/systemTopics/write",
        "Microsoft.EventGrid/systemTopics/eventSubscriptions/read",
        "Microsoft.EventGrid/systemTopics/eventSubscriptions/write",
        "Microsoft.EventGrid/systemTopics/eventSubscriptions/delete",
        "Microsoft.ResourceNotifications/systemTopics/subscribeToHealthResources/action",
    ),
    Step.STORAGE: (),
    Step.QUOTA: _GRAPH,
    Step.MACHINE: (
        "Microsoft.Network/virtualNetworks/read",
        "Microsoft.Network/virtualNetworks/write",
        "Microsoft.Network/virtualNetworks/subnets/join/action",
        "Microsoft.Network/networkInterfaces/read",
        "Microsoft.Network/networkInterfaces/write",
        "Microsoft.Network/networkInterfaces/join/action",
        *_GRAPH,
        f"{_VM}/write",
        f"{_VM}/delete",
        f"{_VM}/instanceView/read",
        f"{_VM}/retrieveBootDiagnosticsData/action",
        f"{_VM}/start/action",
        "Microsoft.Resources/tags/write",
    ),
    Step.EVICTION: (
        f"{_VM}/simulateEviction/action",
        "Microsoft.Compute/locations/operations/read",
        "Microsoft.Insights/eventtypes/values/read",
    ),
    Step.STOP: (f"{_VM}/deallocate/action",),
    Step.REFUSALS: (
        "Microsoft.Compute/locations/usages/read",
        f"{_VM}/deallocate/action",
        "Microsoft.Authorization/locks/read",
        "Microsoft.Authorization/locks/write",
        "Microsoft.Authorization/locks/delete",
    ),
}


def needed(steps: Iterable[Step]) -> tuple[str, ...]:
    """Give the actions that these steps need, and what precedes and follows them; each once."""
    return tuple(dict.fromkeys([*ALWAYS, *(action for step in steps for action in NEEDED[step])]))


def lacking(actions: Iterable[str], permissions: object) -> list[str]:
    """Give those of the actions that no permission allows. ``permissions``: what ARM lists at a subscription."""
    listed = field(permissions, "value")
    allowed = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return [action for action in actions if not any(_allows(each, action) for each in allowed)]


def _allows(permission: Mapping[str, object], action: str) -> bool:
    return _matches(permission.get("actions"), action) and not _matches(permission.get("notActions"), action)


def _matches(patterns: object, action: str) -> bool:
    given = patterns if isinstance(patterns, list) else []
    return any(re.fullmatch(re.escape(str(one)).replace(r"\*", ".*"), action, re.IGNORECASE) for one in given)
