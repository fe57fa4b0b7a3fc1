"""The files of the recipes: what is copied to a VM fits together."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from spot_agent.configuration import FOLDERS

from bench.recipes import web
from bench.recipes.__main__ import row
from bench.recipes.catalogue import RECIPES
from bench.recipes.recipe import FOLDER, REPOSITORY, Result
from bench.recipes.stories import Story

if TYPE_CHECKING:
    from pathlib import Path

HOOKS = sorted(path for path in FOLDER.glob("*/*/*") if path.is_file())
UNITS = sorted(FOLDER.glob("*/*.service"))


@pytest.mark.parametrize("hook", HOOKS, ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_hook_is_where_and_what_the_agent_runs(hook: Path) -> None:
    """In the folder of an event, executable, named after its recipe, and read by a shell."""
    assert hook.parent.name in FOLDERS
    assert hook.name == hook.parent.parent.name
    assert os.access(hook, os.X_OK)
    assert subprocess.run(["/bin/sh", "-n", str(hook)], check=False).returncode == 0  # noqa: S603 - our own words


@pytest.mark.parametrize("name", [*RECIPES, web.NAME])
def test_what_is_stopped_is_started_again(name: str) -> None:
    """When the eviction is cancelled, and when the VM is back; by the unit that the hook on the notice stops."""
    scripts = {hook.parent.name: hook.read_text("utf-8") for hook in HOOKS if hook.name == name}
    started = {re.search(r"systemctl start (\S+)", scripts[event]) for event in ("cancelled", "recover")}
    units = {found[1] for found in started if found}
    assert len(units) == 1
    if stopped := re.search(r"^unit=(\S+)", scripts.get("preempt", ""), re.MULTILINE):
        assert {stopped[1]} == units
    assert units <= {unit.name for unit in UNITS} | {"nginx.service", "spot-worker@jobs.service"}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze here")
@pytest.mark.parametrize("unit", [*UNITS, FOLDER / "systemd" / "spot.conf"], ids=lambda path: path.name)
def test_systemd_reads_the_units(unit: Path, tmp_path: Path) -> None:
    """It says nothing. The programs are not here: another one stands in their place."""
    text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text("utf-8"), flags=re.MULTILINE)
    made = tmp_path / "any.service"
    made.write_text(text if unit.suffix == ".service" else f"{text}ExecStart=/bin/true\n", "utf-8")
    words = ["systemd-analyze", "verify", "--man=no", str(made)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", [*RECIPES, web.NAME])
@pytest.mark.parametrize("story", Story)
def test_the_page_says_what_each_eviction_cost(name: str, story: Story) -> None:
    """A row of ``make recipes`` for each; another eviction than the page has must be measured again."""
    begin = row(Result(name, story, 0, 0, 0, 0.0, 0.0, "", [])).partition(" 0 ")[0]
    assert begin in (REPOSITORY / "docs" / "recipes.md").read_text("utf-8")
