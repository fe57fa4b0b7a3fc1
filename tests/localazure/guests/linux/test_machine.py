"""One machine under QEMU, with a program in QEMU's place that speaks as its monitor does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from localazure.guests.linux import machine

if TYPE_CHECKING:
    from collections.abc import Iterator

STAND_IN = Path(__file__).with_name("stand_in_qemu.py")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('[   31.204915] spot-worker[412]: {"event": "claimed"}\r\n', '{"event": "claimed"}'),
        ("[    2.000001] systemd[1]: Failed to find module 'autofs4'\r\n", "Failed to find module 'autofs4'"),
        (
            "[    0.812345] nvme nvme0: pci function 0000:00:02.0\r\n",
            "[    0.812345] nvme nvme0: pci function 0000:00:02.0",
        ),
        ("GUEST [1.5] a[2]: b\n", "GUEST [1.5] a[2]: b"),
        ("", ""),
    ],
)
def test_a_line_of_the_console_reads_as_the_program_wrote_it(line: str, said: str) -> None:
    """What journald writes before it is left out; what the kernel says stays."""
    assert machine.said(line) == said


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a machine with the stand-in for QEMU, until it is up."""
    command = (sys.executable, "-I", machine.__file__, sys.executable, str(STAND_IN))
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:  # noqa: S603 - our own
        try:
            assert _line(process) == "up"
            yield process
        finally:
            process.kill()


def test_an_order_to_stop_presses_the_power_button_and_waits_for_the_guest(running: subprocess.Popen[str]) -> None:
    """SIGTERM to the group, as the guardian sends it, does not end QEMU: the guest shuts down first."""
    os.killpg(running.pid, signal.SIGTERM)
    assert _line(running) == "the button was pressed: shutting down in order"
    assert running.wait(20) == 0


def test_a_button_that_nobody_hears_is_told_of(running: subprocess.Popen[str], tmp_path: Path) -> None:
    """A machine without a monitor goes on until its power is cut."""
    (tmp_path / machine.QMP).unlink()
    running.send_signal(signal.SIGTERM)
    assert _line(running).startswith("[the power button was pressed in vain: ")


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")
