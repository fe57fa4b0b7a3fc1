"""The operator's pages keep step with the product: alarms, settings, rights, and a command for each belief."""

from __future__ import annotations

import json
import re
from pathlib import Path

from spot_responder.trial.views.checks import CHECKS

REPOSITORY = Path(__file__).resolve().parents[2]
OPERATIONS, DEPLOYING, RIGHTS, COMMANDS = (
    (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    for page in ("operations.md", "deploying.md", "rights.md", "commands.md")
)
REMOVING = (REPOSITORY / "docs" / "removing.md").read_text(encoding="utf-8")
VERIFY = (REPOSITORY / "docs" / "verify-in-azure.md").read_text(encoding="utf-8")
ASSUMPTIONS = (REPOSITORY / "docs" / "azure-assumptions.md").read_text(encoding="utf-8")


def test_each_assumption_about_azure_has_a_command_that_verifies_it() -> None:
    """An assumption that is added needs a way to find out: a check of the trial, or a command."""
    believed = set(re.findall(r"^\| ([EQGCRVPS]\d+) \|", ASSUMPTIONS, re.MULTILINE))
    verified = set(re.findall(r"^- ([EQGCRVPS]\d+) .*`.+`", VERIFY, re.MULTILINE))
    assert len(believed) > 50
    checked = {each.belief for each in CHECKS}
    assert believed - verified - checked == set()
    assert verified - believed == set()
    assert verified & checked == set()


def test_each_choice_of_the_laptop_says_how_to_verify_it() -> None:
    """By a belief's command, by its own, or as another choice."""
    ways = re.findall(r"^\| L\d+ \|.*\| ([^|]+) \|$", VERIFY, re.MULTILINE)
    assert len(ways) == 17
    assert [way for way in ways if not re.search(r"\b[EQGCRL]\d+\b|`az |`curl ", way)] == []


def test_each_action_of_the_role_says_why() -> None:
    """Whoever is to grant it reads what for; and nothing is asked for that the role has not."""
    role = json.loads((REPOSITORY / "infra" / "responder-role.json").read_text(encoding="utf-8"))
    assert re.findall(r"^\| `(Microsoft\.[^`]+)` \| .+ \|$", RIGHTS, re.MULTILINE) == role["actions"]


def test_each_alarm_has_its_advice() -> None:
    """Whoever is woken finds a line that says what to do."""
    alarms = {path.stem.removeprefix("alarm-") for path in (REPOSITORY / "queries" / "logs").glob("alarm-*.kql")}
    advised = set(re.findall(r"^\| `([a-z-]+)` \|", OPERATIONS.split("## 3. ")[1], re.MULTILINE))
    assert alarms == advised


def test_what_is_set_before_a_deployment_is_what_the_deployment_reads() -> None:
    """A name that nobody reads would be set in vain."""
    read = (REPOSITORY / "infra" / "main.parameters.json").read_text(encoding="utf-8")
    known = set(re.findall(r"\$\{([A-Z_]+)", read))
    told = set(re.findall(r"azd env set ([A-Z_]+)", DEPLOYING + OPERATIONS)) | {
        "EXISTING_ARM_TOPICS",
        "EXISTING_MAINTENANCE_TOPICS",
    }
    assert told <= known
    assert json.loads(read)["parameters"]


def test_whoever_removes_it_is_told_of_all_that_stands_outside_its_own_groups() -> None:
    """Rights, definitions and event subscriptions that no deletion of a group takes away."""
    removal = REMOVING
    for command, what in [
        ("role assignment list", "roleDefinitionName=='Spot Responder $GONE'"),
        ("role definition delete", 'Spot Responder $GONE"'),
        ("role assignment delete", 'EventGrid Data Sender"'),
        ("role assignment delete", 'Tag Contributor"'),
        ("policy assignment delete", "spot-responder-add-tag"),
        ("policy definition delete", "Spot VMs ask to be restarted after an eviction"),
        ("eventgrid system-topic event-subscription delete", "--subscription $GONE"),
        ("monitor metrics alert delete", "--subscription $GONE"),
        ("group delete", "--subscription $GONE"),
        ("group delete", "--subscription $SUB"),
    ]:
        assert re.search(rf"az {command}\b.*{re.escape(what)}|{re.escape(what)}.*az {command}\b", removal), (
            command,
            what,
        )
    policy = (REPOSITORY / "infra" / "policy" / "main.bicep").read_text(encoding="utf-8")
    assert "displayName: 'Spot VMs ask to be restarted after an eviction'" in policy


def test_each_block_of_commands_says_in_which_subscription_it_works() -> None:
    """There may be several: a command that asks whichever was chosen last could delete in the wrong one."""
    for block in re.findall(
        r"^```\n(.*?)^```", DEPLOYING + OPERATIONS + RIGHTS + COMMANDS + REMOVING, re.MULTILINE | re.DOTALL
    ):
        if "az account set -s" not in block:
            commands = re.findall(r"\baz [a-z][^`|;)\n]*", block)
            assert [
                one
                for one in commands
                if not re.search(r"--subscription |--ids\b|--resource-id /subscriptions/|^az (login|ad) ", f"{one} ")
            ] == []
