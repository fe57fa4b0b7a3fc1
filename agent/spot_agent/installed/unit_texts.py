"""The units of the installed agent.

The watcher hears Azure and the network, and has no rights but its own folder. The helper has all rights and hears
nobody but the watcher. ``systemd-analyze security`` judges the first in the tests.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from spot_agent.installed.places import HELPER, HELPER_SOCKET, USER, WATCHER

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_HEAD: Final = """\
# Written by `spot-agent install` (sha256 {digest}). Changes belong into a drop-in: systemctl edit {name}
"""

_WATCHER: Final = """\
[Unit]
Description=Spot agent: hears what is about to happen to this VM
Wants=spot-agent-helper.socket
# Before these it is stopped at a shutdown: it may still have to save and to tell.
After=spot-agent-helper.socket network.target
StartLimitIntervalSec=0

[Service]
Type=notify
# At a watchdog's SIGABRT, faulthandler writes to the journal where each thread was.
ExecStart={python} -I -X faulthandler {program} watch
User={user}
Group={user}
StateDirectory=spot-agent
# Workers, whose users are others, read in it what is announced; each file that is not for them says so by its own mode.
StateDirectoryMode=0755
UMask=0077
Restart=always
RestartSec=1
# Longer than a notice of eviction: a disk that stalls while hooks save must not end the agent meanwhile.
WatchdogSec=45
# It ends after the phases that are under way: before maintenance, hooks may take 240 seconds.
TimeoutStopSec=300
# The work must not starve it, nor have it ended for lack of memory.
CPUWeight=1000
OOMScoreAdjust=-900
AmbientCapabilities=
CapabilityBoundingSet=
DevicePolicy=closed
KeyringMode=private
LockPersonality=yes
MemoryDenyWriteExecute=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources

[Install]
WantedBy=multi-user.target
"""

_HELPER_SOCKET: Final = """\
[Unit]
Description=Spot agent: where its watcher asks for hooks to be run and units to be stopped
# Not stopped at a shutdown, nor are the helpers: the watcher, which is, may still need them.
DefaultDependencies=no

[Socket]
ListenStream=/run/spot-agent-helper.sock
Accept=yes
SocketUser={user}
SocketMode=0600
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
"""

_HELPER: Final = """\
[Unit]
Description=Spot agent: runs hooks or stops units for its watcher
DefaultDependencies=no
CollectMode=inactive-or-failed

[Service]
ExecStart={python} -I {program} helper
StandardInput=socket
StandardOutput=journal
StandardError=journal
# Written down, so that hooks have HOME.
User=root
# Two things would keep a helper from beginning at a shutdown: a slice of its own, which systemd would make, and a
# StateDirectory=, with which it waits for units that are being stopped. It makes its folder itself.
Slice=system.slice
# What a hook leaves running goes on running.
KillMode=process
# The work must not starve what saves it.
CPUWeight=1000
TimeoutStopSec=300
"""


def unit_texts(python: str, program: Path) -> Mapping[str, str]:
    """Give each unit's text, by name. ``python``: the interpreter; ``program``: the agent."""
    texts = {WATCHER: _WATCHER, HELPER_SOCKET: _HELPER_SOCKET, HELPER: _HELPER}
    words = {"python": python, "program": program, "user": USER}
    return {name: _with_head(name, text.format(**words)) for name, text in texts.items()}


def is_changed(text: str) -> bool:
    """Whether somebody changed a unit since it was written."""
    head, _, rest = text.partition("\n")
    return _digest(rest) not in head


def _with_head(name: str, text: str) -> str:
    return _HEAD.format(name=name, digest=_digest(text)) + text


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
