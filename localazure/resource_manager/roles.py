"""RBAC roles: which principal may do what, read from the file that the deployment uses. Called by ``access.py``."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_INFRA: Final = Path(__file__).resolve().parents[2] / "infra"
RESPONDER_ROLE: Final = _INFRA / "responder-role.json"
RESIZER_ROLES: Final = (_INFRA / "resizer-role.json", _INFRA / "resize" / "lists-role.json")


class UnreadableRoleError(ValueError):
    """The file holds no role definition."""


@dataclass(frozen=True, slots=True)
class Role:
    """What a role allows: an action that ``actions`` match and ``not_actions`` do not. ``*`` matches anything."""

    name: str
    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()

    def allows(self, action: str) -> bool:
        """Whether the role allows an action, in any casing."""
        return _matches(self.actions, action) and not _matches(self.not_actions, action)


NO_ROLE: Final = Role("none", ())
DEALLOCATE_THIS_VM: Final = Role(
    "Deallocate this VM",
    ("Microsoft.Compute/virtualMachines/read", "Microsoft.Compute/virtualMachines/deallocate/action"),
)
"""The role by which a VM stops itself, assigned to its identity at that VM (docs/work-queues.md)."""


def read_role(path: Path) -> Role:
    """Read a role definition.

    Raises:
        UnreadableRoleError: naming file and field.

    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        message = f"{path.name} is no JSON: {error}"
        raise UnreadableRoleError(message) from error
    if not isinstance(document, dict) or not isinstance(document.get("roleName"), str):
        message = f"{path.name}: expected an object with a roleName"
        raise UnreadableRoleError(message)
    return Role(document["roleName"], _texts(path, document, "actions"), _texts(path, document, "notActions"))


def roles_of_principals(responder_role: Path = RESPONDER_ROLE) -> Mapping[str, Role]:
    """Give the principals of the laptop Azure their roles: the responder its own, the owner everything.

    The operator reads, and may simulate an eviction; who is not among them may nothing.
    """
    operator = Role(
        "Reader, and simulateEviction", ("*/read", "Microsoft.Compute/virtualMachines/simulateEviction/action")
    )
    resizer = Role("resizer", tuple(action for path in RESIZER_ROLES for action in read_role(path).actions))
    owner = Role("Owner", ("*",))
    return MappingProxyType(
        {"responder": read_role(responder_role), "resizer": resizer, "owner": owner, "operator": operator}
    )


def _texts(path: Path, document: Mapping[str, object], field: str) -> tuple[str, ...]:
    value = document.get(field)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        message = f'{path.name}: {field} must be a list of texts, like ["Microsoft.Compute/virtualMachines/read"]'
        raise UnreadableRoleError(message)
    return tuple(value)


def _matches(patterns: tuple[str, ...], action: str) -> bool:
    return any(
        re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), action, re.IGNORECASE) is not None for pattern in patterns
    )
