"""The watcher: ``run`` as a service, with hooks and units in the helper's hands."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from spot_agent.edges.standard_output import StandardOutput
from spot_agent.installed.ask_helper import by_helper
from spot_agent.installed.places import read_installed
from spot_agent.run import Outside, run

if TYPE_CHECKING:
    from spot_agent.edges.metadata import Metadata
    from spot_agent.installed.places import Places

_WITHIN_S: Final = 0.5


def watch(places: Places, metadata: Metadata) -> None:
    """Run until SIGTERM. Raises what ``run`` does, and ``ConfigurationError``."""
    configuration = read_installed(places.configuration, places)
    output = StandardOutput()
    outside = Outside(
        metadata,
        output.record,
        output.say,
        executor=lambda _configuration, hear: by_helper(places.socket, hear, output.say),
        notify=Notifier(os.environ.get("NOTIFY_SOCKET", "")),
    )
    run(configuration, outside)
    output.end()


class Notifier:
    """Tells systemd how we are: ``sd_notify(3)`` is one datagram."""

    def __init__(self, address: str) -> None:
        """Take ``$NOTIFY_SOCKET``; with none, nobody is told."""
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def __call__(self, state: str) -> None:
        """Send a state. If one does not arrive, systemd waits for the next, and begins us again if none comes."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(_WITHIN_S)
            with suppress(OSError):
                sender.sendto(state.encode(), self._address)
