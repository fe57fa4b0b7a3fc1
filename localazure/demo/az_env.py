"""Points Microsoft's own az at the world of ``make run``: ``eval "$(make -s az-env)"``. Called by ``commands.py``."""

from __future__ import annotations

import json
import shlex
import shutil
from typing import TYPE_CHECKING, Final

from localazure.demo.control import NOBODY, ControlError
from localazure.resource_manager.directory import NAME

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOGINS: Final = ("owner", "operator")
"""Principals of ``resource_manager/roles.py``: the owner of VMs, and who only looks, and may drill."""


def leave_login(folder: Path, login: str, environment: Mapping[str, str]) -> None:
    """Leave behind how this login finds the world; only its user may read it. What az kept of an earlier world goes."""
    file = _file(folder, login)
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(json.dumps(dict(environment), indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(_configuration(folder, login), ignore_errors=True)


def remove_login(folder: Path, login: str) -> None:
    """Take it back when the world ends."""
    _file(folder, login).unlink(missing_ok=True)


def az_environment(folder: Path, login: str) -> dict[str, str]:
    """Give the variables by which az finds the running world as this login, in a configuration of its own.

    Raises:
        ControlError: no world is running.
    """
    try:
        found = json.loads(_file(folder, login).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ControlError(NOBODY) from None
    return variables(found, _configuration(folder, login))


def variables(environment: Mapping[str, str], configuration: Path) -> dict[str, str]:
    """Give az's variables for one of the laptop's logins."""
    return {
        "AZURE_CONFIG_DIR": str(configuration),
        "AZURE_CORE_COLLECT_TELEMETRY": "false",
        "REQUESTS_CA_BUNDLE": environment["SSL_CERT_FILE"],
        "IDENTITY_ENDPOINT": environment["IDENTITY_ENDPOINT"],
        "IDENTITY_HEADER": environment["IDENTITY_HEADER"],
        "ARM_ENDPOINT": environment["ARM_ENDPOINT"],
    }


def lines(folder: Path, login: str, az_folder: Path) -> str:
    """Give the lines for a shell: they set the variables and, where az is not logged in yet, log it in.

    ``az_folder`` is where ``make az-cli`` puts az; it is used if it is there, else the az of the ``PATH``.

    Raises:
        ControlError: no world is running.
    """
    found = az_environment(folder, login)
    written = [f"export {name}={shlex.quote(value)}" for name, value in found.items()]
    if az_folder.exists():
        written.append(f'export PATH={shlex.quote(str(az_folder))}:"$PATH"')
    # A proxy is for the way out.
    written += [f'export {name}="127.0.0.1${{{name}:+,${name}}}"' for name in ("NO_PROXY", "no_proxy")]
    logging_in = " && ".join(f"az {command} --only-show-errors --output none" for command in log_in_commands())
    written.append(f'[ -e "$AZURE_CONFIG_DIR/azureProfile.json" ] || {{ {logging_in}; }}')
    return "\n".join(written) + "\n"


def log_in_commands() -> tuple[str, ...]:
    """Give the commands of az, without its name, that make the laptop Azure its cloud and log in."""
    register = f'cloud register --name {NAME} --endpoint-resource-manager "$ARM_ENDPOINT"'
    return register, f"cloud set --name {NAME}", "login --identity"


def _file(folder: Path, login: str) -> Path:
    return folder / f"{login}.json"


def _configuration(folder: Path, login: str) -> Path:
    return folder / f"az-{login}"
