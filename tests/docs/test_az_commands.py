"""Whoever copies a command of az from our pages, or from what our commands say, is understood by az."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from tests.harness.az_commands import (
    REPOSITORY,
    AzCommand,
    UnreadableShellError,
    every_az_command,
    in_module,
    in_page,
    in_shell,
)
from tests.harness.real_az import AZ_PYTHON, needs_az

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

OF_EXTENSIONS: Final = ("graph query", "monitor log-analytics query")
"""Extensions are not on PyPI: what these commands take is not checked."""

PATIENCE_S: Final = 300
CREATE: Final = "eventgrid system-topic event-subscription create"


def complaints(commands: Sequence[AzCommand], folder: Path) -> list[str]:
    """Give what az says of those that it does not take. It is started once, for that takes ten seconds."""
    done = subprocess.run(  # noqa: S603 - the python that `make az-cli` installed
        [str(AZ_PYTHON), str(REPOSITORY / "tools" / "parse_az_commands.py")],
        input=json.dumps([command.words for command in commands]),
        env={"PATH": os.defpath, "HOME": str(folder), "AZURE_CONFIG_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    return [f"{one} -> {what}" for one, what in zip(commands, said, strict=True) if what]


def _of_an_extension(command: AzCommand) -> bool:
    return " ".join(command.words).startswith(OF_EXTENSIONS)


@needs_az
def test_az_understands_every_command_that_we_tell_somebody_to_type(tmp_path: Path) -> None:
    """In README, docs, scripts and in what our own commands print: names, options, values and queries."""
    commands = [command for command in every_az_command() if not _of_an_extension(command)]
    assert complaints(commands, tmp_path) == []


@needs_az
def test_az_is_asked_in_earnest(tmp_path: Path) -> None:
    """A wrong name, option, value, query or an option given twice is found; a name in passing passes."""
    wrong = [
        ("vm", "simulate-evict", "-g", "X", "-n", "X"),
        ("vm", "start", "--ids", "X", "--frob"),
        ("tag", "update", "--operation", "Add", "--resource-id", "X", "--tags", "a=b"),
        ("tag", "update", "--operation", "Merge", "--tags", "a=b"),
        ("vm", "list", "--query", "[?name"),
        ("extension", "add", "-n", "log-analytics", "-n", "resource-graph"),
        ("vmm",),
        ("tag", "update", "…", "--frob", "a"),
        tuple(f"{CREATE} -g X --system-topic-name X -n X --delivery-identity X".split()),
    ]
    right = [
        ("vm", "simulate-eviction", "-g", "X", "-n", "X"),
        ("vm",),
        ("tag", "update"),
        ("vm", "start", "--ids", "X", "-o", "none", "--no-wait"),
        ("vm", "list", "-d", "--query", "[?powerState=='VM deallocated'].name"),
        ("tag", "update", "--operation", "Merge", "…"),
    ]
    found = complaints([AzCommand("here", words) for words in wrong + right], tmp_path)
    assert [one.partition(" -> ")[0] for one in found] == [str(AzCommand("here", words)) for words in wrong]


def test_commands_are_found_wherever_they_stand() -> None:
    """Pages, scripts and modules each have some; fewer than there were means that they are no longer seen."""
    commands = every_az_command()
    floors = {
        "README.md": 1,
        "docs/operations.md": 8,
        "docs/deploying.md": 15,
        "docs/rights.md": 10,
        "docs/removing.md": 15,
        "docs/verify-in-azure.md": 50,
        "docs/vms.md": 10,
        "scripts/": 6,
        "docs/events.md": 2,
    }
    for where, least in {**floors, "spot_responder/": 9}.items():
        assert sum(1 for one in commands if one.where.startswith(where)) >= least, where


def test_a_shell_is_read_as_a_shell_reads() -> None:
    """Nested, quoted, piped, redirected, commented, with placeholders, behind another command's name."""
    code = """
    az login    # az nothing
    Q=$(az storage account show -n $ST --query "a[?b=='c d']" -o tsv)/x
    for t in $(az one -g <the group> -o tsv); do watch az two --scope ${Q%/x*} 2>&1 | xargs -r az three --ids; done
    while read -r m; do :; done < <(az four --set a.b=-1 \\
      --last)
    echo 'az five' > az-six
    az seven … --key-name default
    """
    assert [one.words for one in in_shell("here", code)] == [
        ("login",),
        ("storage", "account", "show", "-n", "X", "--query", "a[?b=='c d']", "-o", "tsv"),
        ("one", "-g", "X", "-o", "tsv"),
        ("two", "--scope", "X"),
        ("three", "--ids", "X"),
        ("four", "--set", "a.b=-1", "--last"),
        ("seven", "…", "--key-name", "default"),
    ]
    with pytest.raises(UnreadableShellError):
        list(in_shell("here", "az vm list --query \"[?name=='a'"))


def test_a_page_is_read_in_its_blocks_its_spans_and_its_examples() -> None:
    """A span may be broken over two lines, a cell's bar is escaped, an example may be JSON."""
    page = (
        "Say `az one\n--a b`, or | `az two \\| grep az` |.\n```\naz three\n```\n"
        '<!-- example: x -->\n```\n$ spot-responder x\nwho: az four --query "a b"\n'
        '  "to: az five --query \\"c d\\" -o table",\n```\n'
    )
    assert [one.words for one in in_page("here", page)] == [
        ("three",),
        ("four", "--query", "a b"),
        ("five", "--query", "c d", "-o", "table"),
        ("one", "--a", "b"),
        ("two",),
    ]


def test_what_a_module_prints_is_read_with_what_its_names_stand_for() -> None:
    """An f-string holds names, and calls of functions that give a part of the command."""
    source = """
WHERE = "-g GROUP"
def _subscription(vm):
    return f"--subscription {vm.vm_id}"
def advice(vm):
    fields = "{a:b, c:d}"
    return f'who: az one {_subscription(vm)} {WHERE} --query "[].{fields}" -o {vm.way}'
"""
    words = ("one", "--subscription", "X", "-g", "GROUP", "--query", "[].{a:b, c:d}", "-o", "X")
    assert [one.words for one in in_module("here", source)] == [words]
