"""The Bicep files compile without a word, now and in ten years, and infra/main.json is what they compile to."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.infra.compiler import INFRA, REPOSITORY, built, committed_template, run_bicep, template_of, with_rules
from tests.infra.ways import WAYS

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = json.loads((REPOSITORY / "bicepconfig.json").read_text("utf-8"))
STRICT = json.loads((INFRA / "strict" / "bicepconfig.json").read_text("utf-8"))
FILES = sorted(str(path.relative_to(INFRA)) for pattern in ("*.bicep", "*.bicepparam") for path in INFRA.rglob(pattern))


@pytest.mark.parametrize("file", FILES)
def test_a_file_builds_without_a_warning(file: str) -> None:
    """Warnings do not fail a build, so nothing at all may be said."""
    result = built(INFRA / file)
    assert (result.stderr, result.returncode) == ("", 0)


@cache
def _under_strict_rules() -> Path:
    return with_rules(json.dumps(STRICT))


@cache
def _in_2036() -> Path:
    """Give the files with the rules that ship, of which one reads a clock: it is 2036 there."""
    rules = json.loads(json.dumps(SHIPPED))
    rules["analyzers"]["core"]["rules"]["use-recent-api-versions"]["test-today"] = "2036-01-01"
    return with_rules(json.dumps(rules))


@pytest.mark.parametrize("file", FILES)
def test_the_linter_finds_nothing(file: str) -> None:
    """All rules of infra/strict/bicepconfig.json hold: what is strict is for us, and not for who deploys."""
    result = run_bicep("lint", _under_strict_rules() / file)
    assert (result.stderr, result.returncode) == ("", 0)


@pytest.mark.parametrize("command", ["build", "lint"])
@pytest.mark.parametrize(
    "file",
    [
        *(f"{way}.bicepparam" for way in WAYS),
        *(f"{of}.bicep" for of in ("policy/main", "agent/main", "agent/senders", "workload/main", "resize/main")),
    ],
)
def test_what_ships_compiles_in_ten_years(file: str, command: str) -> None:
    """`azd up` compiles with the rules that ship: no version that Azure publishes until then stops it."""
    is_build_of_parameters = command == "build" and file.endswith(".bicepparam")
    result = run_bicep("build-params" if is_build_of_parameters else command, _in_2036() / file)
    assert (result.stderr, result.returncode) == ("", 0)


def test_no_rule_that_ships_stops_a_deployment() -> None:
    """Each release of Bicep knows more versions and finds more; the two rules that go by versions are silent."""
    shipped, strict = (config["analyzers"]["core"]["rules"] for config in (SHIPPED, STRICT))
    assert shipped.keys() == strict.keys()
    assert {rule["level"] for rule in strict.values()} == {"error"}
    assert {name: rule["level"] for name, rule in shipped.items() if rule["level"] != "warning"} == {
        "use-recent-api-versions": "off",
        "use-recent-module-versions": "off",
    }


def test_the_strict_rule_on_versions_reads_what_it_is_told() -> None:
    """Three years, under the name that Bicep knows: with a clock of 2036 it finds versions that are too old."""
    rules = json.loads(json.dumps(STRICT))
    of_versions = rules["analyzers"]["core"]["rules"]["use-recent-api-versions"]
    assert of_versions == {"level": "error", "maxAgeInDays": 1095}
    of_versions["test-today"] = "2036-01-01"
    result = run_bicep("lint", with_rules(json.dumps(rules)) / "telemetry.bicep")
    assert "Error use-recent-api-versions" in result.stderr
    assert "1095 days" in result.stderr


def test_the_template_behind_the_button_is_up_to_date() -> None:
    """Who deploys with a browser gets what the Bicep files say; if not: bicep build infra/main.bicep."""
    assert committed_template() == template_of(INFRA / "main.bicep"), "stale: run `bicep build infra/main.bicep`"


def test_github_s_workflows_take_one_compiler_before_they_need_it() -> None:
    """The runner has a compiler of its own, which changes under our feet; $BICEP comes before it."""
    workflows = [path.read_text("utf-8") for path in sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))]
    versions = [re.findall(r"BICEP_VERSION: (v[\d.]+)$", text, re.MULTILINE) for text in workflows]
    assert len(versions) == 2
    assert all(version == versions[0] and len(version) == 1 for version in versions)
    for text in workflows:
        assert text.index('echo "BICEP=$RUNNER_TEMP/bicep" >> "$GITHUB_ENV"') < text.index("- run: .ci/run")
