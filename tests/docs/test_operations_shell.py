"""What the pages offer to a shell does what it says, in the shell that somebody pastes it into."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Final

import pytest

from localazure.laptop import EVENT_FILTERS, TEMPLATE
from localazure.resource_manager.deployment import deployed
from localazure.resource_manager.roles import RESPONDER_ROLE
from localazure.runtime.azurite import ACCOUNT
from tests.harness.az_commands import history_expansions, shell_code_of

REPOSITORY: Final = Path(__file__).resolve().parents[2]
PAGES: Final = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("**/*.md"))]
PAGE: Final = "".join(
    (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    for page in ("operations.md", "deploying.md", "rights.md", "commands.md", "removing.md", "verify-in-azure.md")
)
PATIENCE_S: Final = 30.0


def block_with(words: str) -> str:
    """Give the one block of the operator's pages that has these words."""
    (found,) = [block for block in re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL) if words in block]
    return str(found)


def type_into_bash(code: str) -> str:
    """Type lines into an interactive bash at a terminal, as if pasted; give what came on the screen, without the echo.

    Raises:
        TimeoutError: it waits for more, or hangs.
    """
    child, terminal = pty.fork()
    if child == 0:  # pragma: no cover - becomes bash
        environment = {"PATH": os.defpath, "TERM": "dumb", "PS1": "", "PS2": "", "HISTFILE": ""}
        os.execvpe("bash", ["bash", "--norc", "--noprofile", "--noediting", "-i"], environment)  # noqa: S606, S607 - bash itself is what is tried
    try:
        os.write(terminal, f"stty -echo; PS1=; PS2=; echo be''gin\n{code}\necho e''nd\n".encode())
        return _until_the_end(terminal)
    finally:
        os.close(terminal)
        os.waitpid(child, 0)


def _until_the_end(terminal: int) -> str:
    said, deadline = "", time.monotonic() + PATIENCE_S
    while "end\r\n" not in said.partition("begin\r\n")[2]:
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError(said)
        said += os.read(terminal, 65536).decode()
    return said.partition("begin\r\n")[2].partition("end\r\n")[0].replace("\r\n", "\n")


def test_the_settings_are_taken_over_in_an_interactive_bash() -> None:
    """Those of the app's identity and telemetry stay behind; values keep their blanks, stars and equal signs."""
    az = r"az() { printf '%s\n' 'SWEEP_SCHEDULE=0 */15 * * * *' AZURE_CLIENT_ID=x APPLICATIONINSIGHTS=y 'WITH=a=b!c'; }"
    shown = 'env | grep -E "^(SWEEP_SCHEDULE|WITH|AZURE_CLIENT_ID|APPLICATIONINSIGHTS)=" | sort'
    assert type_into_bash(f"{az}\n{block_with('appsettings list')}{shown}") == (
        "SWEEP_SCHEDULE=0 */15 * * * *\nWITH=a=b!c\n"
    )


def test_settings_that_cannot_be_had_are_no_success() -> None:
    """What az says is seen, and nothing goes on as if there were no settings."""
    az = "az() { echo 'ERROR: no login' >&2; return 1; }"
    said = type_into_bash(f"{az}\n{block_with('appsettings list')}echo status $?")
    assert said == "ERROR: no login\nstatus 1\n"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_nothing_that_is_pasted_calls_up_the_shells_history(page: Path) -> None:
    """An interactive bash takes a bare exclamation mark, also in double quotes, for a command of before."""
    assert [where for code in shell_code_of(page.read_text("utf-8")) for where in history_expansions(code)] == []


def test_a_call_of_the_history_is_recognized() -> None:
    """Outside of single quotes, where something follows."""
    assert history_expansions('az list --query "[?!starts_with(a)]"')
    assert history_expansions("a !b")
    assert not history_expansions("az list --query '[?!starts_with(a)]'; ! b; [[ a != b ]]; echo \"done!\"; ls [!a]*")


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_the_witness_is_made_as_the_deployment_makes_its_event_subscriptions(tmp_path: Path) -> None:
    """By the identity of the topic, into a queue of the account, for the events of one VM."""
    block = block_with("subjectBeginsWith")
    code = block[block.index("ACCOUNT=") : block.index("raw()")]
    topic, vm = "/subscriptions/s/resourceGroups/g/providers/Microsoft.EventGrid/systemTopics/t", "/subscriptions/s/vm"
    made = deployed(EVENT_FILTERS, RESPONDER_ROLE, TEMPLATE).subscriptions["evgst-health"][0]["properties"]
    destination = made["deliveryWithResourceIdentity"]["destination"]
    account = destination["properties"]["resourceId"]
    az = f"""
    az() {{
      case "$*" in
        'storage account show'*) echo {account} ;;
        'eventgrid system-topic list'*) echo {topic} ;;
        'resource show'*) echo principal ;;
        'role assignment create'*) echo "$*" > {tmp_path}/role ;;
        rest*) printf '%s\\n' "$@" > {tmp_path}/rest ;;
      esac
    }}
    sleep() {{ :; }}
    ST={ACCOUNT} RG=g VM={vm}
    """
    subprocess.run(["bash", "-euo", "pipefail", "-c", az + code], check=True, timeout=PATIENCE_S)  # noqa: S603, S607 - a shell is what is tried
    words = (tmp_path / "rest").read_text("utf-8")
    assert f"--method\nput\n--url\n{topic}/eventSubscriptions/witness?api-version=2025-02-15\n--body\n" in words
    body = json.loads(words.partition("--body\n")[2].partition("\n-o\n")[0])["properties"]
    assert body["deliveryWithResourceIdentity"] == made["deliveryWithResourceIdentity"] | {
        "destination": destination | {"properties": {"resourceId": account, "queueName": "witness"}}
    }
    assert body["filter"] == {"subjectBeginsWith": vm}
    assert body["eventDeliverySchema"] == "CloudEventSchemaV1_0"
    role = (tmp_path / "role").read_text("utf-8")
    assert "Storage Queue Data Message Sender" in role
    assert f"--scope {account}" in role


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
@pytest.mark.parametrize(("fails", "whole"), [("", True), ("2", False), ("1", False)])
def test_the_price_list_is_followed_to_its_last_page(fails: str, tmp_path: Path, *, whole: bool) -> None:
    """Each link as it is given; where a page cannot be had, no price is made of the others."""
    answers = json.loads((REPOSITORY / "tests" / "payloads" / "prices" / "paged.json").read_text("utf-8"))
    for number, page in enumerate(answers, 1):
        (tmp_path / f"{number}.json").write_text(json.dumps(page), encoding="utf-8")
    block = block_with("pages() {")
    curl = f"""
    curl() {{
      echo "$2" >> {tmp_path}/asked
      local number=$(wc -l < {tmp_path}/asked)
      [ "$number" = "{fails}" ] && return 22
      cat {tmp_path}/$number.json
    }}
    """
    asking = f"{curl}{block[: block.index('pages westeurope')]}pages westeurope Standard_D2s_v5"
    done = subprocess.run(["bash", "-c", asking], check=True, capture_output=True, timeout=PATIENCE_S)  # noqa: S603, S607 - a shell is what is tried
    given = json.loads(done.stdout)
    assert given == answers if whole else given == answers[: int(fails) - 1]
    first, *links = (tmp_path / "asked").read_text("utf-8").splitlines()
    assert links == [page["NextPageLink"] for page in answers][: len(links)]
    assert "armRegionName%20eq%20'westeurope'%20and%20armSkuName%20eq%20'Standard_D2s_v5'" in first
    assert "?api-version=2023-01-01-preview&$filter=serviceName%20eq%20'Virtual%20Machines'" in first
