"""Where the Bicep compiler is, and what it says.

In this order: ``$BICEP``, the project's own beside the repository, ``bicep`` on the PATH, ``az bicep``.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from tests.infra.expressions import Value

REPOSITORY: Final = Path(__file__).resolve().parents[2]
INFRA: Final = REPOSITORY / "infra"
_BESIDE: Final = REPOSITORY.parent / "shared" / "tools" / "bicep"


@cache
def _compiler() -> tuple[str, ...] | None:
    for candidate in (os.environ.get("BICEP"), str(_BESIDE) if _BESIDE.is_file() else None, shutil.which("bicep")):
        if candidate:
            return (candidate,)
    az = shutil.which("az")
    return (az, "bicep") if az else None


def run_bicep(command: str, file: Path) -> subprocess.CompletedProcess[str]:
    """Run ``build``, ``build-params`` or ``lint``; where there is no compiler the test is skipped, but fails in CI."""
    compiler = _compiler()
    if compiler is None:
        reason = "no Bicep compiler: set BICEP to one, or put bicep or az on the PATH"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason, allow_module_level=True)
    is_az = len(compiler) > 1
    arguments = [*compiler, command, *(["--file"] if is_az else []), str(file)]
    output = [] if command == "lint" else ["--stdout"]
    return subprocess.run(  # noqa: S603 - the compiler that the machine offers, on our own files
        [*arguments, *output],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        # Else az tells of newer releases among the warnings.
        env={**os.environ, "AZURE_BICEP_VERSION_CHECK": "false"},
    )


def with_rules(rules: str) -> Path:
    """Copy what is compiled, with another bicepconfig.json in place of the one that ships; give its infra folder."""
    folder = Path(tempfile.mkdtemp(prefix="bicep-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for part in ("infra", "queries"):
        shutil.copytree(REPOSITORY / part, folder / part)
    (folder / "bicepconfig.json").write_text(rules, "utf-8")
    return folder / "infra"


@cache
def built(file: Path) -> subprocess.CompletedProcess[str]:
    """Compile a file, once for all tests."""
    return run_bicep("build-params" if file.suffix == ".bicepparam" else "build", file)


def template_of(file: Path) -> Value:
    """Give what a .bicep file is compiled to, without the compiler's signature."""
    return _unsigned(json.loads(built(file).stdout))


def parameters_of(file: Path) -> dict[str, Value]:
    """Give the values that a .bicepparam file sets, by name."""
    written = json.loads(json.loads(built(file).stdout)["parametersJson"])["parameters"]
    return {name: given["value"] for name, given in written.items()}


def committed_template() -> Value:
    """Give infra/main.json, without the compiler's signature."""
    return _unsigned(json.loads((INFRA / "main.json").read_text("utf-8")))


def _unsigned(part: Value) -> Value:
    """Leave out ``metadata._generator``, in every module: each compiler signs in its own way."""
    if isinstance(part, list):
        return [_unsigned(one) for one in part]
    if isinstance(part, dict):
        return {name: _unsigned(value) for name, value in part.items() if name != "_generator"}
    return part
