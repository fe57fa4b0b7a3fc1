"""The metadata service as an emulator: what a person or a test suite elsewhere does with it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPOSITORY: Final = Path(__file__).resolve().parents[3]
EVENTS: Final = "/metadata/scheduledevents?api-version=2020-07-01"
PATIENCE_S: Final = 60.0


class Emulator:
    """A running emulator."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Read where it listens."""
        assert process.stdout is not None
        self._process, self._out = process, process.stdout
        found = re.search(r"called (\S+) listens at http://(\S+):", self._out.readline())
        assert found is not None
        self.name, self.address = found.groups()

    def ask(self, path: str, method: str = "GET") -> tuple[int, str]:
        """Ask as curl does; 0 where nothing is answered."""
        connection = HTTPConnection(self.address, timeout=5)
        try:
            connection.request(method, path, headers={"Metadata": "true"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (HTTPException, ConnectionError):
            return 0, ""
        finally:
            connection.close()

    def events(self) -> list[dict[str, Any]]:
        """Give the events that there are."""
        status, text = self.ask(EVENTS)
        found: list[dict[str, Any]] = json.loads(text)["Events"] if status == 200 else []
        return found

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something holds."""
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < end, f"waited in vain: {what}"
            time.sleep(0.25)

    def told(self, what: str) -> str:
        """Wait for a line with these words."""
        while what not in (line := self._out.readline()):
            assert self._process.poll() is None
        return line


@contextmanager
def emulator(*arguments: str) -> Iterator[Emulator]:
    """Run ``python -m localazure imds``; end it as systemd would, and hold that it ends well."""
    process = subprocess.Popen(  # noqa: S603 - our own
        [sys.executable, "-m", "localazure", "imds", *arguments], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    try:
        yield Emulator(process)
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_a_vm_is_preempted_when_it_was_asked_for_and_comes_back() -> None:
    """Announced in its time, not answered while it is down, then as if nothing had been."""
    with emulator("--name", "build-7", "--preempt-after", "1", "--notice", "2") as one:
        assert one.name == "build-7"
        assert one.events() == []
        one.until(lambda: [event["EventType"] for event in one.events()] == ["Preempt"], "its notice")
        assert one.told("Preempt announced, not before ")
        one.until(lambda: one.ask(EVENTS)[0] == 0, "its end")
        assert one.told("the VM is down, and not answered")
        one.until(lambda: one.ask(EVENTS)[0] == 200, "its return")
        assert one.told("the VM runs again")
        assert one.events() == []


def test_events_and_faults_are_asked_for_while_it_runs() -> None:
    """By the lines that it prints; what it does not know is refused, with what it knows."""
    with emulator() as one:
        status, event_id = one.ask("/emulator/Freeze?notice=60", "POST")
        (event,) = one.events()
        assert (status, event["EventId"], event["EventType"]) == (200, event_id.strip(), "Freeze")
        assert one.ask("/emulator/SpotRebalanceRecommendation", "POST")[0] == 200
        preview = json.loads(one.ask("/metadata/scheduledevents?api-version=2024-07-09")[1])["Events"]
        shown = [(event["EventType"], event["NotBefore"] == "") for event in preview]
        assert shown == [("Freeze", False), ("SpotRebalanceRecommendation", True)]
        assert one.ask("/emulator/fault/503", "POST") == (200, "from now on: 503\n")
        assert one.ask(EVENTS)[0] == 503
        assert one.ask("/emulator/fault/none", "POST")[0] == 200
        assert one.ask(EVENTS)[0] == 200
        for path, said in (
            ("/emulator/Rebot", "'Rebot' is not a valid EventType"),
            ("/emulator/Freeze?notice=none", "without notice"),
            ("/emulator/Preempt?notice=soon", "there is no notice 'soon'"),
            ("/emulator/fault/fire", "there is no fault 'fire': give one of none, 400"),
        ):
            status, text = one.ask(path, "POST")
            assert (status, said in text, text.count("\n")) == (400, True, 1)
        assert one.ask("/emulator/Preempt?notice=none", "POST")[0] == 200
        assert one.ask("/emulator/Preempt?notice=none", "POST")[0] == 400


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--port", "x"), "there is no port 'x': give a number up to 65535"),
        (("--port", "65536"), "there is no port '65536'"),
        (("--notice", "soon"), "there is no notice 'soon': give whole seconds (1 to 900), none, started, cancelled"),
        (("--preempt-after", "-1"), "'-1' is no time: give whole seconds, 86400 at most"),
        (("--name", "a/b"), "'a/b' is no name of a VM"),
        (("--nope",), "unrecognized arguments: --nope"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(arguments: tuple[str, ...], said: str) -> None:
    """With exit code 2, on standard error."""
    done = subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-m", "localazure", "imds", *arguments],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert said in done.stderr


def test_a_port_that_is_taken_is_named() -> None:
    """And what to do."""
    with emulator() as one:
        port = one.address.rpartition(":")[2]
        done = subprocess.run(  # noqa: S603 - our own
            [sys.executable, "-m", "localazure", "imds", "--port", port],
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr.startswith(f"cannot listen on port {port} of 127.0.0.1")
        assert done.stderr.endswith("give another with --port\n")
