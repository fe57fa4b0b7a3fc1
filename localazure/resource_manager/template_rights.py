"""The rights that the deployment gives each system topic, read from the built template, ``infra/main.json``."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SCOPE: Final = re.compile(r"\[resourceId\('Microsoft\.Storage/(?P<types>[^']+)', (?P<names>.+)\)\]")
_NAME: Final = re.compile(r"'([^']+)'|parameters\('(\w+)'\)|variables\('(\w+)'\)")


@dataclass(frozen=True, slots=True)
class TemplateRight:
    """A built-in role's id, and on what of which account: ``account`` is the template's parameter for its name."""

    role_id: str
    account: str
    below: str
    """The rest of the resource's id below the account, such as ``/queueServices/default/queues/signals``, or ``""``."""


def topic_rights_of(template: Path) -> list[TemplateRight]:
    """Give the role assignments of ``infra/topics/delivery-access.bicep``, as they were compiled."""
    main = json.loads(template.read_text(encoding="utf-8"))
    access = _module(_module(main, "watch"), "deliveryAccess")
    kind = "Microsoft.Authorization/roleAssignments"
    return [_right(body, access["variables"]) for body in access["resources"].values() if body["type"] == kind]


def _module(template: Mapping[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = template["resources"][name]["properties"]["template"]
    return found


def _right(body: Mapping[str, Any], variables: Mapping[str, str]) -> TemplateRight:
    scope = _SCOPE.fullmatch(body["scope"])
    role = _NAME.search(body["properties"]["roleDefinitionId"].partition(",")[2])
    if scope is None or role is None:
        message = f"a role assignment in infra/main.json is not understood: {body['scope']}"
        raise ValueError(message)
    account, *names = _NAME.findall(scope["names"])
    kinds = scope["types"].split("/")[1:]
    below = "".join(
        f"/{kind}/{literal or variables[variable]}" for kind, (literal, _, variable) in zip(kinds, names, strict=True)
    )
    return TemplateRight(variables[role[3]], account[1], below)
