"""What pip goes by here: the package, ``requirements.txt``, and of this machine only where libraries come from.

What else a machine tells pip, by files or by ``PIP_`` variables, is meant for others: ``target`` or ``user`` puts
libraries where no worker finds them, ``no-binary`` demands a compiler.
"""

from __future__ import annotations

import configparser
import os
from typing import TYPE_CHECKING, Final

from spot_vm.system import InstallError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SOURCES: Final = frozenset(
    {
        "index-url",
        "extra-index-url",
        "find-links",
        "no-index",
        "trusted-host",
        "proxy",
        "cert",
        "client-cert",
        "timeout",
        "retries",
    }
)
_OTHERS: Final = ("PIP_", "PYTHON")
"""Variables that change what pip and Python do."""


def isolated() -> dict[str, str]:
    """Give the variables for pip where all comes from the package."""
    usual = {name: value for name, value in os.environ.items() if not name.startswith(_OTHERS)}
    # pip takes this file for: no file at all, not that of the machine either.
    return {**usual, "PIP_CONFIG_FILE": os.devnull}


def by_index(file: Path) -> dict[str, str]:
    """Give them for pip where libraries come from an index: that of the machine's ``pip.conf``, if it has one.

    As variables: an address may hold a password, and everybody may read the words of a command.
    """
    return {**isolated(), **{f"PIP_{key.upper().replace('-', '_')}": value for key, value in _sources(file).items()}}


def _sources(file: Path) -> Mapping[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(file.read_text("utf-8") if file.exists() else "", str(file))
    except (OSError, ValueError, configparser.Error) as error:
        message = f"{file} cannot be read: {' '.join(str(error).split())}. Mend it, then call this again"
        raise InstallError(message) from error
    found: dict[str, str] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            for key, value in parser.items(section):
                name = key.lower().replace("_", "-")
                if name in _SOURCES:
                    found[name] = " ".join(value.split())
    return found
