"""The identity that may change sizes: what ``infra/resize`` gives it, where, and how the app gets it."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.infra.compiler import INFRA, committed_template, parameters_of, template_of
from tests.infra.deployment import deploy
from tests.infra.ways import WAYS, deployed, resources

if TYPE_CHECKING:
    from tests.infra.deployment import Deployment

GROUPS = ["rg-batch", "rg-render"]
WRITE = "Microsoft.Compute/virtualMachines/write"


@cache
def second_identity() -> Deployment:
    """Carry out infra/resize for two resource groups."""
    template = template_of(INFRA / "resize" / "main.bicep")
    return deploy(template, {"appResourceGroup": "rg-app", "resizableResourceGroups": GROUPS, "location": "westeurope"})


def actions(deployment: Deployment) -> list[tuple[str, list[str]]]:
    """Give each role that is made: where it may be assigned, and its actions."""
    made = resources(deployment, "Authorization/roleDefinitions")
    return [
        (str(scope).rsplit("/", 1)[-1], list(one.properties["permissions"][0]["actions"]))
        for one in made
        for scope in one.properties["assignableScopes"]
    ]


def test_it_may_write_vms_in_the_named_groups_only() -> None:
    """A role of its own in each, which can be assigned nowhere else; the lists are of the whole subscription."""
    resizer = json.loads((INFRA / "resizer-role.json").read_text("utf-8"))["actions"]
    lists = json.loads((INFRA / "resize" / "lists-role.json").read_text("utf-8"))["actions"]
    assert WRITE in resizer
    found = actions(second_identity())
    assert sorted(where for where, made in found if WRITE in made) == GROUPS
    assert all(made == resizer for where, made in found if where in GROUPS)
    assert [made for where, made in found if where not in GROUPS] == [lists]


def test_each_role_is_assigned_to_that_identity_alone() -> None:
    """Each where it was made."""
    deployment = second_identity()
    principal = deployment.modules["identity"].output("principalId")
    assignments = resources(deployment, "Authorization/roleAssignments")
    assert len(assignments) == len(GROUPS) + 1
    assert {str(one.properties["principalId"]) for one in assignments} == {str(principal)}
    assert {str(one.properties["principalType"]) for one in assignments} == {"ServicePrincipal"}


def test_the_identity_that_there_is_gets_rights_in_another_subscription() -> None:
    """Its principal is given: no second one is made."""
    template = template_of(INFRA / "resize" / "main.bicep")
    given = {"existingPrincipalId": "its-principal", "resizableResourceGroups": GROUPS, "location": "westeurope"}
    deployment = deploy(template, given)
    assert resources(deployment, "ManagedIdentity/userAssignedIdentities") == []
    assignments = resources(deployment, "Authorization/roleAssignments")
    assert len(assignments) == len(GROUPS) + 1
    assert {str(one.properties["principalId"]) for one in assignments} == {"its-principal"}


@pytest.mark.parametrize("way", WAYS)
def test_without_it_the_app_has_its_own_identity_only(way: str) -> None:
    """No way to deploy turns it on by itself."""
    (app,) = resources(deployed(way), "Web/sites")
    (settings,) = resources(deployed(way), "Web/sites/config")
    assert len(app.body["identity"]["userAssignedIdentities"]) == 1
    assert settings.properties["RESIZE_CLIENT_ID"] == ""


def test_the_app_gets_the_identity_and_is_told_which_it_is() -> None:
    """What infra/resize puts out is what infra/main takes."""
    identity_id = str(second_identity().output("RESIZE_IDENTITY_ID"))
    given = parameters_of(INFRA / "queue.bicepparam") | {"resizeClientId": "its-id", "resizeIdentityId": identity_id}
    deployment = deploy(committed_template(), given)
    (app,) = resources(deployment, "Web/sites")
    (settings,) = resources(deployment, "Web/sites/config")
    assert identity_id in app.body["identity"]["userAssignedIdentities"]
    assert settings.properties["RESIZE_CLIENT_ID"] == "its-id"
