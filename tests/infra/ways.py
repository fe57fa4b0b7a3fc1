"""The ways to deploy, each as its .bicepparam file says, carried out."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from tests.infra.compiler import INFRA, committed_template, parameters_of
from tests.infra.deployment import deploy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.infra.deployment import Deployment, Resource

WAYS: Final = tuple(sorted(path.stem for path in INFRA.glob("*.bicepparam")))


@cache
def deployed(way: str) -> Deployment:
    """Carry out one way to deploy."""
    return deploy(committed_template(), parameters_of(INFRA / f"{way}.bicepparam"))


def resources(deployment: Deployment, resource_type: str) -> list[Resource]:
    """Give all resources of a type."""
    return [one for one in deployment.everything() if one.type == f"Microsoft.{resource_type}"]


def last_names(deployment: Deployment, resource_type: str) -> list[str]:
    """Give the last segment of the names of all resources of a type."""
    return [one.name.rsplit("/", 1)[-1] for one in resources(deployment, resource_type)]


def role_assignments(deployment: Deployment) -> Iterator[tuple[str, str, str]]:
    """Give who, which role's id, and on what: the last two segments of the scope."""
    for one in resources(deployment, "Authorization/roleAssignments"):
        role = str(one.properties["roleDefinitionId"]).rsplit("/", 1)[-1]
        yield str(one.properties["principalId"]), role, one.scope
