"""The package of a release: what a deployment with a browser alone puts in."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import distribution, distributions
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from tests.infra.compiler import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SCRIPT = REPOSITORY / "scripts" / "package.sh"
VENDOR = REPOSITORY / "scripts" / "vendor.py"
LIBRARIES = ".python_packages/lib/site-packages"


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


def _left_over(folder: Path) -> set[str]:
    """Give the files of a folder that .funcignore lets through, as git reads it: azd's reader does the same."""
    subprocess.run(["git", "init", "--quiet", folder], check=True, timeout=30)  # noqa: S603, S607 - a folder of ours
    command = ["git", "ls-files", "-z", "--others", f"--exclude-from={REPOSITORY / '.funcignore'}"]
    listed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=30)  # noqa: S603
    return {path for path in listed.stdout.split("\0") if path}


def test_azd_deploys_the_app_with_its_libraries_and_nothing_else(tmp_path: Path) -> None:
    """Whatever lies in the folder: virtual environments of any name, what runs left behind, notes of somebody's."""
    git = ["git", "ls-files", "-z"]
    listed = subprocess.run(git, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=30)  # noqa: S603
    tracked = {path for path in listed.stdout.split("\0") if path and (REPOSITORY / path).is_file()}
    of_libraries = {
        f"{LIBRARIES}/some/{name}" for name in ("__init__.py", "tests/a.py", "tools/b.py", "docs/c.py", "LICENSE")
    }
    of_others = {
        f"{name}/{file}"
        for name in (".venv", "venv", "spot-responder_env", "env313", "python", ".local", "node_modules")
        for file in ("pyvenv.cfg", "lib/python3.13/site-packages/other/__init__.py")
    } | {"notes.txt", ".env", "app.zip", "spot_responder/__pycache__/cli.cpython-313.pyc"}
    for path in tracked | of_libraries | of_others:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    app = {path for path in tracked if path.split("/", 1)[0] in _packed()}
    assert _left_over(tmp_path) == app | of_libraries


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


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pack the app as azd does, with its libraries from the package index; skipped where there is none."""
    folder: Path = tmp_path_factory.mktemp("package")
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, VENDOR, folder / LIBRARIES], capture_output=True, text=True, check=False, timeout=400
    )
    if done.returncode and "Failed to establish a new connection" in done.stderr and not os.environ.get("CI"):
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    for name in _packed():
        there = REPOSITORY / name
        (shutil.copytree if there.is_dir() else shutil.copy)(there, folder / name)
    return folder


def test_the_libraries_are_those_that_are_named_and_no_others(package: Path) -> None:
    """Each in its one version, whatever machine packs them."""
    found = {_normal(one.name): one.version for one in distributions(path=[str(package / LIBRARIES)])}
    assert found == _pinned("requirements.txt") | _pinned("constraints.txt")


def test_the_libraries_are_built_for_azure(package: Path) -> None:
    """Linux, x86-64, Python 3.13: what would be of another system, or compiled here, is not in."""
    native = [
        path.name for path in (package / LIBRARIES).rglob("*") if path.suffix in {".so", ".pyd", ".dylib", ".dll"}
    ]
    assert len(native) > 10
    assert [name for name in native if not re.search(r"\.(cpython-313-x86_64-linux-gnu|abi3)\.so$", name)] == []
    made_for = [path.read_text("utf-8") for path in (package / LIBRARIES).glob("*.dist-info/WHEEL")]
    tags = {tag for text in made_for for tag in re.findall(r"^Tag: (.+)$", text, re.MULTILINE)}
    assert [tag for tag in tags if not re.search("-any$|manylinux", tag)] == []


def test_the_app_comes_up_from_its_package_alone(package: Path) -> None:
    """Nothing of this machine's libraries: the triggers are found, as Azure's worker looks for them."""
    paths = [str(package / LIBRARIES), str(package)]
    look = f"import sys; sys.path[:0] = {paths}; import function_app as f; print(len(f.app.get_functions()))"
    storage = {
        f"AzureWebJobsStorage__{kind}ServiceUri": f"https://a.{kind}.core.windows.net" for kind in ("queue", "table")
    }
    environment = storage | {"SWEEP_SCHEDULE": "0 */15 * * * *", "PATH": os.environ["PATH"]}
    done = subprocess.run(  # noqa: S603 - our own app
        [sys.executable, "-I", "-S", "-c", look],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout.strip(), done.returncode) == ("5", 0), done.stderr


def test_where_no_library_can_be_had_it_is_said(tmp_path: Path) -> None:
    """And azd stops, instead of deploying an app that cannot come up."""
    environment = {"PATH": os.environ["PATH"], "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, VENDOR, tmp_path / "libraries"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"vendor: {sys.executable} could not get the libraries: ")
