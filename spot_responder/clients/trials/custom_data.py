"""The custom data of a trial's VM: the agent's listener, which prints to the serial console.

Nothing has to be loaded from elsewhere, since the VM has no way out: the listener is some ten kilobytes, and Azure
takes 65,535 bytes. cloud-init reads JSON, since that is YAML, and unpacks gzip. Opened by ``azure.py``.
"""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Final

_AGENT: Final = Path(__file__).resolve().parents[3] / "agent"
_FOLDER: Final = "/opt/spot-trial"
_FILES: Final = (
    "__init__.py",
    "commands/__init__.py",
    "commands/listen.py",
    "deciding/__init__.py",
    "deciding/documents.py",
    "deciding/state.py",
    "deciding/times.py",
    "edges/__init__.py",
    "edges/clock.py",
    "edges/metadata.py",
    "edges/web.py",
)
_UNIT: Final = f"""\
[Unit]
Description=Prints to the serial console what the metadata service tells
[Service]
WorkingDirectory={_FOLDER}
ExecStart=/usr/bin/python3 -m spot_agent.commands.listen
StandardOutput=tty
TTYPath=/dev/ttyS0
Restart=always
[Install]
WantedBy=multi-user.target
"""
_COMMANDS: Final = (
    # A login prompt would set the console anew, and swallow lines.
    "systemctl mask --now serial-getty@ttyS0.service",
    "systemctl daemon-reload",
    "systemctl enable --now spot-trial.service",
)


def custom_data() -> str:
    """Give it in base64, as ARM wants it."""
    files = [
        {"path": f"{_FOLDER}/spot_agent/{name}", "content": (_AGENT / "spot_agent" / name).read_text(encoding="utf-8")}
        for name in _FILES
    ]
    unit = {"path": "/etc/systemd/system/spot-trial.service", "content": _UNIT}
    config = "#cloud-config\n" + json.dumps({"write_files": [*files, unit], "runcmd": list(_COMMANDS)})
    return base64.b64encode(gzip.compress(config.encode(), mtime=0)).decode()
