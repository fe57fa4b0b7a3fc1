"""The package of a release: what a deployment with a browser alone puts in."""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import distribution
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from tests.infra.compiler import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterable
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
    needed = {"function_app.py", "host.json", "queries", "requirements.txt", "constraints.txt", "spot_responder"}
    assert needed == _packed()


def test_everything_in_the_repository_is_either_deployed_or_kept_back() -> None:
    """A folder that is added must be thought of: azd would deploy it."""
    git = ["git", "ls-files", "-z"]
    listed = subprocess.run(git, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=30)  # noqa: S603
    there = {path.split("/", 1)[0] for path in listed.stdout.split("\0") if path}
    ignored = set((REPOSITORY / ".funcignore").read_text("utf-8").splitlines())
    assert there - ignored - _packed() == {".funcignore"}


def _pinned(file: str) -> dict[str, str]:
    """Give the versions in a file of requirements, by name in its normal spelling."""
    text = (REPOSITORY / file).read_text("utf-8")
    return {_normal(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE)}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _brought_along(names: Iterable[str]) -> dict[str, str]:
    """Give everything that these libraries need here, with the version that is installed, themselves included."""
    found: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        library = distribution(waiting.pop())
        if found.setdefault(_normal(library.name), library.version) and library.requires:
            needed = [Requirement(one) for one in library.requires]
            here = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
            waiting += [one.name for one in here if _normal(one.name) not in found]
    return found


def test_every_library_that_is_deployed_has_one_version() -> None:
    """A package built next year is the one that was tested: what libraries bring with them is pinned as they are."""
    direct, along = _pinned("requirements.txt"), _pinned("constraints.txt")
    assert direct.keys() & along.keys() == set()
    assert _brought_along(direct) == direct | along
    assert "-c constraints.txt" in (REPOSITORY / "requirements.txt").read_text("utf-8").splitlines()


def test_a_package_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    """A release is built once; the script says what to do."""
    package = tmp_path / "package.zip"
    package.write_text("precious", "utf-8")
    result = subprocess.run(  # noqa: S603 - our own script
        [SCRIPT, package], capture_output=True, text=True, check=False, timeout=30
    )
    assert (result.returncode, package.read_text("utf-8")) == (1, "precious")
    assert "is there already: name another, or remove it" in result.stderr
