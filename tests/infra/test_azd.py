"""azd: its files agree with the template, and its hook subscribes where events are pushed."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.infra.compiler import INFRA, REPOSITORY, committed_template
from tests.infra.ways import deployed, resources

if TYPE_CHECKING:
    from pathlib import Path

AZURE_YAML = (REPOSITORY / "azure.yaml").read_text("utf-8")
GIVEN = json.loads((INFRA / "main.parameters.json").read_text("utf-8"))["parameters"]
PARAMETERS = committed_template()["parameters"]


def test_azd_can_set_every_parameter() -> None:
    """All but the package's address: azd brings the package itself."""
    assert set(GIVEN) == set(PARAMETERS) - {"packageAddress"}


@pytest.mark.parametrize("name", sorted(set(GIVEN) - {"environmentName", "location"}))
def test_what_azd_is_not_told_is_as_the_template_would_have_it(name: str) -> None:
    """One default, whichever way it is deployed."""
    found = re.fullmatch(r"\$\{[A-Z_]+=(.*)\}", GIVEN[name]["value"])
    assert found
    default = PARAMETERS[name]["defaultValue"]
    assert found[1] == (default if isinstance(default, str) else json.dumps(default))


def test_azd_reads_each_default_to_its_end() -> None:
    """It takes all up to the closing brace, blanks, stars and slashes too; what else it knows is not in."""
    for name, given in GIVEN.items():
        (inside,) = re.findall(r"^\$\{(.*)\}$", given["value"])
        variable, _, default = inside.partition("=")
        assert re.fullmatch("[A-Z_]+", variable), name
        assert not set(default) & set('{}$\\"'), name


def test_azd_finds_the_app() -> None:
    """The service in azure.yaml and the tag on the site have one name, the environment is on the group."""
    (app,) = resources(deployed("queue"), "Web/sites")
    assert re.findall(r"^services:\n  (\w+):", AZURE_YAML, re.MULTILINE) == [app.body["tags"]["azd-service-name"]]
    for group in resources(deployed("several-subscriptions"), "Resources/resourceGroups"):
        assert group.body["tags"] == {"azd-env-name": "spot-responder"}


def test_what_azd_is_told_is_in_its_own_spelling() -> None:
    """It keeps outputs as environment variables."""
    assert [name for name in committed_template()["outputs"] if not re.fullmatch("[A-Z_]+", name)] == []


def test_the_hooks_are_there() -> None:
    """One for POSIX, one for Windows."""
    scripts = re.findall(r"run: \./(scripts/\S+)", AZURE_YAML)
    assert [(REPOSITORY / script).is_file() for script in scripts] == [True, True]


@pytest.mark.parametrize(
    ("delivery", "calls"),
    [
        ("push", ["true provision --no-prompt --environment trial"]),
        ("queue", []),
        (None, []),
    ],
)
def test_the_hook_subscribes_the_function_where_events_are_pushed(
    tmp_path: Path, delivery: str | None, calls: list[str]
) -> None:
    """With push it deploys once more, telling the template that the code is there; else it does nothing."""
    azd, log = tmp_path / "azd", tmp_path / "calls"
    azd.write_text(f'#!/bin/sh\necho "$FUNCTION_DEPLOYED $*" >> "{log}"\n', "utf-8")
    azd.chmod(0o755)
    environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "AZURE_ENV_NAME": "trial"}
    if delivery:
        environment["EVENT_DELIVERY"] = delivery
    hook = REPOSITORY / "scripts" / "subscribe-push.sh"
    subprocess.run([hook], env=environment, check=True, timeout=30)  # noqa: S603 - our own script
    assert (log.read_text("utf-8").splitlines() if log.exists() else []) == calls
