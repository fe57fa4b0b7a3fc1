"""The configuration file: INI, every key optional. What is not known is refused: a typing error must not go unseen.

Called by ``commands``. An example with every key is in ``docs/agent.md``.
"""

from __future__ import annotations

import configparser
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spot_agent.deciding.plans import PLANS
from spot_agent.edges.addresses import ADDRESS, check_address, check_url
from spot_agent.edges.hooks import HookSetting

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDERS: Final = (*(plan.folder for plan in PLANS.values()), "cancelled", "recover")
_KEYS: Final = {
    "agent": frozenset({"imds", "state", "hooks", "health_port", "queue", "client_id"}),
    "units": frozenset({"stop"}),
}
_HOOK: Final = "hook "
_HOOK_KEYS: Final = frozenset({"limit_s", "essential"})
_LARGEST_PORT: Final = 65535


class ConfigurationError(Exception):
    """The configuration says something that cannot be; one line that says what, and where."""


@dataclass(frozen=True)
class Configuration:
    """What the agent runs with. ``health_port``: ``None`` for no health endpoint, 0 for any free port."""

    imds: str = ADDRESS
    state: Path = Path("/var/lib/spot-agent")
    hooks: Path = Path("/etc/spot-agent/hooks")
    health_port: int | None = None
    queue: str = ""
    client_id: str = ""
    units: tuple[str, ...] = ()
    hook_settings: Mapping[str, HookSetting] = field(default_factory=dict, hash=False)


def read_configuration(file: Path) -> Configuration:
    """Read a file. Raises ``ConfigurationError``."""
    return parse_configuration(read_text(file), str(file))


def read_text(file: Path) -> str:
    """Read what stands in a file. Raises ``ConfigurationError``."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}"
        raise ConfigurationError(message) from error
    except UnicodeDecodeError as error:
        message = f"{file}: {' '.join(str(error).split())}"
        raise ConfigurationError(message) from error


def parse_configuration(text: str, name: str) -> Configuration:
    """Read the text of a file with this name. Raises ``ConfigurationError``."""
    parser = configparser.ConfigParser(interpolation=None, default_section="\0none")
    try:
        parser.read_string(text, name)
        return _read(parser)
    except (configparser.Error, ValueError) as error:
        message = f"{name}: {' '.join(str(error).split())}"
        raise ConfigurationError(message) from error


def health_port(text: str) -> int:
    """Read a port. Raises ``ValueError``."""
    if not text.isdecimal() or int(text) > _LARGEST_PORT:
        message = f"a port is a number from 0 to {_LARGEST_PORT}, not {text!r}"
        raise ValueError(message)
    return int(text)


def folder(name: str, text: str) -> Path:
    """Read where a folder is. Raises ``ValueError``: an empty one would be wherever the agent is begun."""
    if not text.strip():
        message = f"{name} is a folder, not {text!r}"
        raise ValueError(message)
    return Path(text)


def _read(parser: configparser.ConfigParser) -> Configuration:
    found = Configuration()
    settings: dict[str, HookSetting] = {}
    for name in parser.sections():
        section = dict(parser[name])
        if name == "agent":
            _check_keys(name, section, _KEYS["agent"])
            found = _with_agent(found, section)
        elif name == "units":
            _check_keys(name, section, _KEYS["units"])
            found = replace(found, units=_units(section.get("stop", "")))
        elif name.startswith(_HOOK):
            _check_keys(name, section, _HOOK_KEYS)
            settings[_hook_name(name)] = _hook(name, section)
        else:
            message = f"there is no section [{name}]: there are [agent], [units] and [hook EVENT/NAME]"
            raise ValueError(message)
    return replace(found, hook_settings=settings)


def _check_keys(name: str, section: Mapping[str, str], known: frozenset[str]) -> None:
    for key in section:
        if key not in known:
            message = f"[{name}] has no {key!r}: it has {', '.join(sorted(known))}"
            raise ValueError(message)


def _with_agent(found: Configuration, section: Mapping[str, str]) -> Configuration:
    if "imds" in section:
        found = replace(found, imds=check_address(section["imds"]))
    if "state" in section:
        found = replace(found, state=folder("state", section["state"]))
    if "hooks" in section:
        found = replace(found, hooks=folder("hooks", section["hooks"]))
    if section.get("health_port"):
        found = replace(found, health_port=health_port(section["health_port"]))
    if section.get("queue"):
        found = replace(found, queue=check_url(section["queue"]))
    return replace(found, client_id=section.get("client_id", ""))


def _units(text: str) -> tuple[str, ...]:
    units = tuple(text.split())
    for unit in units:
        if "." not in unit or unit.startswith(("-", ".")):
            message = f"[units] stop: a unit is written with its suffix, like worker.service, not {unit!r}"
            raise ValueError(message)
    return units


def _hook_name(name: str) -> str:
    hook = name[len(_HOOK) :].strip()
    folder, _, file = hook.partition("/")
    if folder not in FOLDERS or not file:
        message = f"[{name}]: a hook is named like [hook preempt/save]; events are {', '.join(FOLDERS)}"
        raise ValueError(message)
    return hook


def _hook(name: str, section: Mapping[str, str]) -> HookSetting:
    limit_s = None
    if "limit_s" in section:
        try:
            limit_s = float(section["limit_s"])
        except ValueError as error:
            message = f"[{name}] limit_s is a number of seconds, not {section['limit_s']!r}"
            raise ValueError(message) from error
        if not 0 < limit_s < float("inf"):
            message = f"[{name}] limit_s is more than 0, not {section['limit_s']!r}"
            raise ValueError(message)
    essential = section.get("essential", "yes").lower()
    if essential not in {"yes", "no"}:
        message = f"[{name}] essential is yes or no, not {section['essential']!r}"
        raise ValueError(message)
    return HookSetting(limit_s, essential == "yes")
