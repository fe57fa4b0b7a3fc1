"""Commands with --local: they find the world of ``make run``, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.harness.operators_laptop import OperatorsLaptop, add, command

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_advised_of_the_laptop_is_for_the_laptop(azure: OperatorsLaptop, tmp_path: Path) -> None:
    """Copied into a shell with real settings, it must not act on real Azure."""
    add(azure, "advice-1")
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "operator.json").write_text(json.dumps(dict(azure.laptop.operator)), encoding="utf-8")
    held = command("hold", "advice-1", "--local", environment={}, folder=tmp_path).out
    assert held.endswith("to end it: .venv/bin/spot-responder release advice-1 --local\n")
    explained = command("explain", "advice-1", "--local", environment={}, folder=tmp_path).out
    assert "to end the hold: .venv/bin/spot-responder release advice-1 --local\n" in explained
    azure.operator("release", "advice-1")


def test_local_finds_the_world_of_make_run(azure: OperatorsLaptop, tmp_path: Path) -> None:
    """By what ``make run`` leaves in .local; and says so where there is none."""
    none = command("status", "--local", environment={}, folder=tmp_path)
    assert (none.exit_code, none.err.count("\n")) == (1, 1)
    assert "start one with `make run`" in none.err
    (tmp_path / ".local").mkdir()
    file = tmp_path / ".local" / "operator.json"
    file.write_text("{", encoding="utf-8")
    assert "cannot be read" in command("status", "--local", environment={}, folder=tmp_path).err
    file.write_text("[]", encoding="utf-8")
    assert "holds no object" in command("status", "--local", environment={}, folder=tmp_path).err
    for odd in ({"A": 1}, {"": "x"}, {"A=B": "x"}, {"A": "x\0"}, {"A": None}):
        file.write_text(json.dumps(odd), encoding="utf-8")
        refused = command("status", "--local", environment={}, folder=tmp_path)
        assert (refused.exit_code, refused.err.count("\n")) == (1, 1)
        assert "which is no variable with its value" in refused.err
    file.write_text(json.dumps(dict(azure.laptop.operator)), encoding="utf-8")
    found = command("status", "--local", "--json", environment={}, folder=tmp_path)
    assert found.content.keys() >= {"recoveries", "pools", "queues", "event_path", "problems"}


def test_local_looks_at_nothing_of_the_shells_own_azure(azure: OperatorsLaptop, tmp_path: Path) -> None:
    """Its proxies, its logins and its settings are for Azure: here they would lead astray."""
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "operator.json").write_text(json.dumps(dict(azure.laptop.operator)), encoding="utf-8")
    of_the_shell = {
        "HTTPS_PROXY": "http://127.0.0.1:1",
        "https_proxy": "http://127.0.0.1:1",
        "AZURE_CLIENT_ID": "somebody",
        "AZURE_TENANT_ID": "somewhere",
        "AZURE_CLIENT_SECRET": "else",
        "DRY_RUN": "true",
        "RESTART_TAG": "Other",
    }
    add(azure, "shell-1")
    found = command("status", "--local", "--json", environment=of_the_shell, folder=tmp_path)
    assert (found.err, found.content["dry_run"]) == ("", False)
    explained = command("explain", "shell-1", "--local", environment=of_the_shell, folder=tmp_path)
    assert "shell-1 runs" in explained.out


def test_local_says_that_the_laptop_azure_has_ended(azure: OperatorsLaptop, tmp_path: Path) -> None:
    """Killed, it leaves its file behind."""
    (tmp_path / ".local").mkdir()
    ended = dict(azure.laptop.operator) | {"IDENTITY_ENDPOINT": "http://127.0.0.1:1/token"}
    for left_behind in (ended, {}, {"IDENTITY_ENDPOINT": "http://[/"}, {"IDENTITY_ENDPOINT": "http://x:99999999/"}):
        (tmp_path / ".local" / "operator.json").write_text(json.dumps(left_behind), encoding="utf-8")
        done = command("status", "--local", environment={}, folder=tmp_path)
        assert (done.exit_code, done.out, done.err.count("\n")) == (1, "", 1)
        assert done.err.startswith("status: the laptop Azure of .local/operator.json does not answer (")
        assert done.err.endswith("): start one with `make run`\n")
