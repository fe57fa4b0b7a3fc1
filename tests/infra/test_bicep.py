"""The Bicep files compile without a word, and infra/main.json is what they compile to."""

from __future__ import annotations

import re

import pytest

from tests.infra.compiler import INFRA, REPOSITORY, built, committed_template, run_bicep, template_of

FILES = sorted(str(path.relative_to(INFRA)) for pattern in ("*.bicep", "*.bicepparam") for path in INFRA.rglob(pattern))


@pytest.mark.parametrize("file", FILES)
def test_a_file_builds_without_a_warning(file: str) -> None:
    """Warnings do not fail a build, so nothing at all may be said."""
    result = built(INFRA / file)
    assert (result.stderr, result.returncode) == ("", 0)


@pytest.mark.parametrize("file", FILES)
def test_the_linter_finds_nothing(file: str) -> None:
    """All rules of bicepconfig.json hold."""
    result = run_bicep("lint", INFRA / file)
    assert (result.stderr, result.returncode) == ("", 0)


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
