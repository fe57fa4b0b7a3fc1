"""Ctrl-C ends a program in one line, with 130: while it imports, while it runs, and in the terminal of `make`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

REPOSITORY = Path(__file__).resolve().parents[2]
IMPORTING = """
import os, signal
from spot_responder.terminal.interrupts import run_until_interrupted
def load():
    os.kill(os.getpid(), signal.SIGINT)
    return lambda: 0
raise SystemExit(run_until_interrupted(load))
"""
RUNNING = """
import os, signal
from spot_responder.terminal.interrupts import run_until_interrupted
def run():
    os.kill(os.getpid(), signal.SIGINT)
    return 0
raise SystemExit(run_until_interrupted(lambda: run))
"""
IGNORED = (
    """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
"""
    + IMPORTING
)


def ended(words: Sequence[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program until it ends, as a terminal would: what a script runs in its background ignores Ctrl-C."""
    return subprocess.run(  # noqa: S603 - our own programs; no thread of this process holds a lock then
        words,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("program", [IMPORTING, RUNNING])
def test_an_interrupted_program_says_so_in_one_line(program: str) -> None:
    """No traceback, whatever it was about; and the exit code that shells expect."""
    done = ended([sys.executable, "-c", program])
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_who_starts_it_without_a_keyboard_is_obeyed() -> None:
    """In the background of a script Ctrl-C is not for it."""
    assert ended([sys.executable, "-c", IGNORED]).returncode == 0


@pytest.mark.parametrize(("module", "words"), [("spot_responder", ["--help"]), ("localazure", ["--help"])])
def test_both_programs_are_run_so(module: str, words: list[str]) -> None:
    """What imports for a second is behind it."""
    assert ended([sys.executable, "-m", module, *words]).returncode == 0
    text = (REPOSITORY / module / "__main__.py").read_text(encoding="utf-8")
    assert "run_until_interrupted(_load)" in text


MAKEFILE = """
include Makefile
interrupted: ; @sh -c 'echo interrupted >&2; exit 130' $(OR_INTERRUPTED)
failed: ; @sh -c 'exit 3' $(OR_INTERRUPTED)
"""


def test_make_adds_no_line_to_an_interruption(tmp_path: Path) -> None:
    """It ends as if it had been interrupted itself; another failure stays one."""
    file = tmp_path / "Makefile"
    file.write_text(MAKEFILE, encoding="utf-8")
    make = ["make", "-f", str(file)]
    interrupted = ended([*make, "interrupted"])
    assert (interrupted.returncode, interrupted.stderr) == (-signal.SIGINT, "interrupted\n")
    assert "Error 3" in ended([*make, "failed"]).stderr


def test_make_setup_installs_the_command_as_it_is_spelled() -> None:
    """Advice that is printed can be copied from the clone's folder."""
    command = Path(sys.executable).parent / "spot-responder"
    if not command.exists():
        reason = f"{command} is not there: `make setup` has not run since it installs it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    done = ended([str(command), "read-event", "tests/payloads/events/annotated_preempted_cloudevent.json"])
    assert (done.returncode, done.stderr) == (0, "")
