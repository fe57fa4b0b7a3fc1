"""What a trial looks at before it creates anything: whether the app lives here, and what rights the login has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import field, text_field
from spot_responder.operators.doctor import INFRA
from spot_responder.trial.field import AUTHORIZATION
from spot_responder.trial.views.rights import lacking, needed

if TYPE_CHECKING:
    from spot_responder.trial.field import Plan
    from spot_responder.trial.ports import Azure
    from spot_responder.trial.views.verdicts import Step

_ROLES: Final = "roleDefinitions?$filter=type%20eq%20'CustomRole'"
_PAGES: Final = 100
"""More custom roles than a directory may have."""


async def find_app(azure: Azure, plan: Plan) -> str:
    """Say by which sign the app is deployed in this subscription; ``""`` where there is none.

    Its role is the sign: the app watches a subscription only where its identity has it.
    """
    answer = await azure.ask("GET", f"{plan.scope}/providers/Microsoft.Authorization/{_ROLES}", AUTHORIZATION)
    if not answer.is_good:
        return f"it could not be seen whether the subscription has the app ({answer.told()})"
    ours = str(json.loads((INFRA / "responder-role.json").read_text(encoding="utf-8"))["roleName"])
    names = _role_names(answer.body)
    for _ in range(_PAGES):
        address = text_field(answer.body, "nextLink")
        if not address:
            break
        answer = await azure.follow(address)
        if not answer.is_good:
            return f"it could not be seen whether the subscription has the app ({answer.told()})"
        names += _role_names(answer.body)
    found = [name for name in names if name.lower().startswith(ours.lower())]
    return f"the subscription has the app (its role {found[0]!r} is there)" if found else ""


def _role_names(body: object) -> list[str]:
    listed = field(body, "value")
    return [text_field(each, "properties", "roleName") for each in listed] if isinstance(listed, list) else []


async def find_lacking_rights(azure: Azure, plan: Plan, steps: tuple[Step, ...]) -> list[str]:
    """Give the rights that the steps need and the login has not; those that cannot be seen are not listed."""
    path = f"{plan.scope}/providers/Microsoft.Authorization/permissions"
    answer = await azure.ask("GET", path, AUTHORIZATION)
    if not answer.is_good:
        return [f"Microsoft.Authorization/permissions/read ({answer.told()})"]
    return lacking(needed(steps), answer.body)
