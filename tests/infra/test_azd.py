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
    """Each once for POSIX, where it may be run, and once for Windows."""
    scripts = re.findall(r"shell: (\w+)\n +run: \./(scripts/\S+)", AZURE_YAML)
    assert [shell for shell, _ in scripts] == ["sh", "pwsh"] * 2
    assert [script.rpartition(".")[2] for _, script in scripts] == ["sh", "ps1"] * 2
    assert [script for _, script in scripts if not (REPOSITORY / script).is_file()] == []
    assert [script for shell, script in scripts if shell == "sh" and not os.access(REPOSITORY / script, os.X_OK)] == []


def test_nothing_is_built_in_azure() -> None:
    """Its builder has taken other versions of Python than ours; the libraries come in by a hook of the service."""
    service = AZURE_YAML.partition("\nservices:\n")[2].partition("\nhooks:\n")[0]
    assert "\n    remoteBuild: false\n" in service
    assert "\n      prepackage:\n" in service


VENDOR = REPOSITORY / "scripts" / "vendor.sh"


@pytest.mark.parametrize(("works", "calls"), [("python3", ["python3"]), ("python", ["python"])])
def test_the_hook_packs_with_whatever_python_has_pip(tmp_path: Path, works: str, calls: list[str]) -> None:
    """Its name differs from system to system, and one may be there without pip."""
    log = tmp_path / "calls"
    for name in ("python3", "python"):
        ends = f'[ "$1" = -m ] || echo "{name} $*" >> "{log}"' if name == works else "exit 1"
        (tmp_path / name).write_text(f"#!/bin/sh\n{ends}\n", "utf-8")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([VENDOR], env=environment, check=True, timeout=30)  # noqa: S603 - our own script
    assert log.read_text("utf-8").splitlines() == [f"{name} scripts/vendor.py" for name in calls]


def test_without_pip_the_hook_says_what_to_install(tmp_path: Path) -> None:
    """In one line, before azd packs an app without its libraries."""
    for name in ("python3", "python"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n", "utf-8")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([VENDOR], env=environment, capture_output=True, text=True, check=False, timeout=30)  # noqa: S603 - our own script
    assert done.returncode == 1
    assert done.stderr == "vendor: there is no Python with pip: install python3 and python3-pip, then try again\n"


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
