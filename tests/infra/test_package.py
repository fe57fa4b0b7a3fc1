"""The package of a release: what a deployment with a browser alone puts in."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from tests.infra.compiler import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = REPOSITORY / "scripts" / "package.sh"


def _packed() -> set[str]:
    found = re.search(r"^cp -R (.+) \"\$folder\"$", SCRIPT.read_text("utf-8"), re.MULTILINE)
    assert found
    return set(found[1].split())


def test_a_release_holds_what_azd_would_deploy() -> None:
    """All that the app is made of is there, and .funcignore keeps none of it back."""
    assert [name for name in _packed() if not (REPOSITORY / name).exists()] == []
    ignored = set((REPOSITORY / ".funcignore").read_text("utf-8").splitlines())
    assert _packed() & ignored == set()
    assert {"function_app.py", "host.json", "queries", "requirements.txt", "spot_responder"} == _packed()


def test_a_package_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    """A release is built once; the script says what to do."""
    package = tmp_path / "package.zip"
    package.write_text("precious", "utf-8")
    result = subprocess.run(  # noqa: S603 - our own script
        [SCRIPT, package], capture_output=True, text=True, check=False, timeout=30
    )
    assert (result.returncode, package.read_text("utf-8")) == (1, "precious")
    assert "is there already: name another, or remove it" in result.stderr
