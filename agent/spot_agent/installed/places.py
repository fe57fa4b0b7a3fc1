"""Where the installed agent has its things, and how it is configured there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from spot_agent.configuration import Configuration, ConfigurationError, parse_configuration, read_text

USER: Final = "spot-agent"
WATCHER: Final = "spot-agent.service"
HELPER_SOCKET: Final = "spot-agent-helper.socket"
HELPER: Final = "spot-agent-helper@.service"


@dataclass(frozen=True)
class Places:
    """Files and folders, below ``root``: ``/`` but for tests and packages."""

    root: Path = Path("/")

    @property
    def program(self) -> Path:
        """The agent in one file; only root may write it."""
        return self.root / "usr/local/bin/spot-agent"

    @property
    def settings(self) -> Path:
        """The folder of the configuration and of hooks."""
        return self.root / "etc/spot-agent"

    @property
    def configuration(self) -> Path:
        """The configuration file."""
        return self.settings / "agent.ini"

    @property
    def hooks(self) -> Path:
        """The folder of hooks, if the configuration has no other."""
        return self.settings / "hooks"

    @property
    def state(self) -> Path:
        """The watcher's state and history."""
        return self.root / "var/lib/spot-agent"

    @property
    def helper_state(self) -> Path:
        """What the helper keeps, out of the watcher's reach: the output of hooks, and which of them run."""
        return self.root / "var/lib/spot-agent-helper"

    @property
    def kept_configuration(self) -> Path:
        """The configuration as it was when the watcher began, which helpers go by."""
        return self.helper_state / "agent.ini"

    @property
    def group_is_ours(self) -> Path:
        """The note that the watcher's group was made by ``install``: a group, unlike an account, has no comment."""
        return self.helper_state / "group-is-ours"

    @property
    def socket(self) -> Path:
        """Where the helper listens."""
        return self.root / "run/spot-agent-helper.sock"

    @property
    def units(self) -> Path:
        """Our units. What their owner changes belongs into ``own_units``, which systemd reads first."""
        return self.root / "usr/local/lib/systemd/system"

    @property
    def own_units(self) -> Path:
        """Units and drop-ins of the VM's owner."""
        return self.root / "etc/systemd/system"


def parse_installed(text: str, name: str, places: Places) -> Configuration:
    """Read the text of an installed configuration. Raises ``ConfigurationError``.

    Neither the metadata service nor the state folder can be elsewhere: the first would let who writes the file make up
    evictions and collect tokens; the second is the only folder that the watcher may write.
    """
    found = parse_configuration(text, name)
    usual = Configuration()
    for key, is_usual in (("imds", found.imds == usual.imds), ("state", found.state == usual.state)):
        if not is_usual:
            message = f"{name}: an installed agent takes no {key!r} from its configuration: take it out"
            raise ConfigurationError(message)
    hooks = places.hooks if found.hooks == usual.hooks else found.hooks
    return replace(found, state=places.state, hooks=hooks)


def read_installed(file: Path, places: Places) -> Configuration:
    """Read an installed configuration. Raises ``ConfigurationError``."""
    return parse_installed(read_text(file), str(file), places)
