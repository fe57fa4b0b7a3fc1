"""The kinds of resource that can be created at ARM: where each stands, and what may be done with it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from localazure.resource_manager.arm_resources import GROUP_PATH


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of resource. ``name``: as actions spell it; ``path``: of its ids, in any casing."""

    name: str
    path: re.Pattern[str]

    def action(self, verb: str) -> str:
        """Give the action of a role: ``read``, ``write`` or ``delete``."""
        return f"{self.name}/{verb}"


def _kind(name: str, path: str) -> Kind:
    return Kind(name, re.compile(path, re.IGNORECASE))


_STORAGE: Final = rf"{GROUP_PATH}/providers/microsoft\.storage/storageaccounts/(?P<account>[^/]+)"
_RIGHTS: Final = r"(?P<at>/subscriptions/.+)/providers/microsoft\.authorization"

GROUP: Final = _kind("Microsoft.Resources/subscriptions/resourceGroups", GROUP_PATH)
ACCOUNT: Final = _kind("Microsoft.Storage/storageAccounts", _STORAGE)
QUEUE: Final = _kind(
    "Microsoft.Storage/storageAccounts/queueServices/queues",
    rf"{_STORAGE}/queueservices/default/queues/(?P<name>[^/]+)",
)
CONTAINER: Final = _kind(
    "Microsoft.Storage/storageAccounts/blobServices/containers",
    rf"{_STORAGE}/blobservices/default/containers/(?P<name>[^/]+)",
)
NETWORK: Final = _kind(
    "Microsoft.Network/virtualNetworks", rf"{GROUP_PATH}/providers/microsoft\.network/virtualnetworks/(?P<name>[^/]+)"
)
INTERFACE: Final = _kind(
    "Microsoft.Network/networkInterfaces",
    rf"{GROUP_PATH}/providers/microsoft\.network/networkinterfaces/(?P<name>[^/]+)",
)
VM: Final = _kind(
    "Microsoft.Compute/virtualMachines", rf"{GROUP_PATH}/providers/microsoft\.compute/virtualmachines/(?P<name>[^/]+)"
)
TOPIC: Final = _kind(
    "Microsoft.EventGrid/systemTopics", rf"{GROUP_PATH}/providers/microsoft\.eventgrid/systemtopics/(?P<topic>[^/]+)"
)
SUBSCRIPTION: Final = _kind(
    "Microsoft.EventGrid/systemTopics/eventSubscriptions",
    rf"{GROUP_PATH}/providers/microsoft\.eventgrid/systemtopics/(?P<topic>[^/]+)/eventsubscriptions/(?P<name>[^/]+)",
)
ASSIGNMENT: Final = _kind("Microsoft.Authorization/roleAssignments", rf"{_RIGHTS}/roleassignments/(?P<name>[^/]+)")
LOCK: Final = _kind("Microsoft.Authorization/locks", rf"{_RIGHTS}/locks/(?P<name>[^/]+)")

KINDS: Final = (ASSIGNMENT, LOCK, SUBSCRIPTION, TOPIC, QUEUE, CONTAINER, ACCOUNT, INTERFACE, NETWORK, VM, GROUP)


def find(path: str) -> tuple[Kind, re.Match[str]] | None:
    """Say what kind of resource has this id; ``None`` where none of these has."""
    return next(((kind, match) for kind in KINDS if (match := kind.path.fullmatch(path))), None)
