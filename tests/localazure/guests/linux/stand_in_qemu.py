"""Stands in for QEMU: speaks its monitor's protocol (QMP) on ``qmp.sock``, and ends when the button is pressed."""

from __future__ import annotations

import json
import socket
import sys

with socket.socket(socket.AF_UNIX) as server:
    server.bind("qmp.sock")
    server.listen()
    sys.stdout.write("up\r\n")
    sys.stdout.flush()
    connection, _ = server.accept()
    with connection, connection.makefile("rw") as monitor:
        monitor.write('{"QMP": {}}\r\n')
        monitor.flush()
        for command in ("qmp_capabilities", "system_powerdown"):
            assert json.loads(monitor.readline()) == {"execute": command}
            monitor.write('{"return": {}}\r\n')
            monitor.flush()
sys.stdout.write("[   60.123456] systemd[1]: the button was pressed: shutting down in order\r\n")
sys.stdout.flush()
