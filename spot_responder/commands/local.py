"""``--local``: a command looks at the laptop Azure of ``make run``, and at nothing of the shell's own Azure."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from spot_responder.terminal.results import StopError
from spot_responder.text import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

LOCAL_SETTINGS: Final = Path(".local") / "operator.json"
"""The file in which `make run` leaves the environment by which its world is reached."""

_OF_THE_TERMINAL: Final = re.compile(
    r"PATH|HOME|TZ|LANG|LANGUAGE|LC_.+|TERM|COLUMNS|LINES|NO_COLOR|SYSTEMROOT|PYTHON.+"
)
"""The variables of the shell that stay: paths and the terminal's look. Logins, proxies and settings belong to Azure."""

_PATIENCE_S: Final = 2.0


def enter_the_laptop(environment: MutableMapping[str, str]) -> None:
    """Put the laptop's environment in place of the shell's.

    Raises:
        StopError: if there is no laptop Azure, or none any more.
    """
    found = _settings()
    _check_that_it_runs(found)
    for name in list(environment):
        if not _OF_THE_TERMINAL.fullmatch(name.upper()):
            del environment[name]
    environment.update(found)


def _settings() -> dict[str, str]:
    try:
        found = json.loads(LOCAL_SETTINGS.read_text(encoding="utf-8"))
        problem = _problem(found)
    except FileNotFoundError:
        message = f"no laptop Azure is running here ({LOCAL_SETTINGS} is missing): start one with `make run`"
        raise StopError(message) from None
    except (OSError, ValueError, RecursionError) as error:
        found, problem = {}, f"cannot be read ({error})"
    if problem:
        message = f"{LOCAL_SETTINGS} {problem}: end `make run` and start it again"
        raise StopError(message)
    return dict(found)


def _problem(found: object) -> str:
    """Say why the file's content cannot be an environment; ``""`` where it can."""
    if not isinstance(found, dict):
        return "holds no object"
    for name, value in found.items():
        if not re.fullmatch(r"[^=\0]+", name) or not isinstance(value, str) or "\0" in value:
            return f"holds {shortened(name, 100)!r}, which is no variable with its value"
    return ""


def _check_that_it_runs(found: Mapping[str, str]) -> None:
    """Knock at its identity endpoint: a laptop Azure that was killed leaves its file behind."""
    try:
        address = urlsplit(found.get("IDENTITY_ENDPOINT", ""))
        with socket.create_connection((address.hostname or "", address.port or 0), _PATIENCE_S):
            return
    except (OSError, ValueError, UnicodeError) as error:
        message = f"the laptop Azure of {LOCAL_SETTINGS} does not answer ({error}): start one with `make run`"
        raise StopError(message) from error
