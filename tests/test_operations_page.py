"""The operator's page keeps step with what it tells of: alarms, assumptions, settings of the deployment."""

from __future__ import annotations

import json
import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
ASSUMPTIONS = (REPOSITORY / "docs" / "azure-assumptions.md").read_text(encoding="utf-8")


def test_each_assumption_about_azure_has_a_command_that_verifies_it() -> None:
    """An assumption that is added needs a way to find out."""
    believed = set(re.findall(r"^\| ([EQGCR]\d+) \|", ASSUMPTIONS, re.MULTILINE))
    verified = set(re.findall(r"^- ([EQGCR]\d+) .*`.+`", PAGE, re.MULTILINE))
    assert len(believed) > 50
    assert believed - verified == set()
    assert verified - believed == set()


def test_each_choice_of_the_laptop_is_named() -> None:
    """They are looked at in passing."""
    chosen = set(re.findall(r"^\| (L\d+) \|", ASSUMPTIONS, re.MULTILINE))
    assert chosen - set(re.findall(r"\bL\d+\b", PAGE)) == set()


def test_each_alarm_has_its_advice() -> None:
    """Whoever is woken finds a line that says what to do."""
    alarms = {path.stem.removeprefix("alarm-") for path in (REPOSITORY / "queries" / "logs").glob("alarm-*.kql")}
    advised = set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE))
    assert alarms == advised


def test_what_is_set_before_a_deployment_is_what_the_deployment_reads() -> None:
    """A name that nobody reads would be set in vain."""
    read = (REPOSITORY / "infra" / "main.parameters.json").read_text(encoding="utf-8")
    known = set(re.findall(r"\$\{([A-Z_]+)", read))
    told = set(re.findall(r"azd env set ([A-Z_]+)", PAGE)) | {"EXISTING_ARM_TOPICS", "EXISTING_MAINTENANCE_TOPICS"}
    assert told <= known
    assert json.loads(read)["parameters"]
