"""A guest for tests, in place of the agent and its workload. It does as its arguments say, then runs on.

``polls``: asks for scheduled events, and prints what it sees. ``tells-its-end``: prints that it was told to end, and
ends. ``ignores-its-end``. ``forks``: leaves a process behind in a session of its own, twice removed. ``ends=3``: ends
with that code. ``writes``: writes to its disk again and again, and prints when that fails and when it works again.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from http.client import HTTPConnection
from pathlib import Path

BOOTS = Path("boots")
EVENTS = "/metadata/scheduledevents?api-version=2020-07-01"


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def see() -> str:
    """Say which events there are; "" where there is no answer."""
    connection = HTTPConnection(os.environ["SPOT_IMDS"].removeprefix("http://"), timeout=2)
    try:
        connection.request("GET", EVENTS, headers={"Metadata": "true"})
        events = json.loads(connection.getresponse().read())["Events"]
    except OSError:
        return ""
    finally:
        connection.close()
    return ", ".join(f"sees {event['EventType']} {event['EventStatus']}" for event in events) or "sees nothing"


def write() -> str:
    """Write a line to the disk."""
    try:
        with Path("work").open("a", encoding="utf-8") as work:
            work.write("some work\n")
    except OSError as error:
        return f"cannot write: {error.strerror}"
    return "writes"


def leave_a_process() -> None:
    """Begin a process whose parent ends at once, in a session of its own."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            say(f"orphan {os.getpid()}")
            time.sleep(600)
        os._exit(0)
    os.wait()


def end(*_: object) -> None:
    """Tell that it was told to end."""
    say("was told to end")
    sys.exit(0)


def disregard(*_: object) -> None:
    """Tell that it was told to end, and go on."""
    say("does not care")
    Path("was-told").touch()


def main(script: list[str]) -> None:
    """Run."""
    if "tells-its-end" in script:
        signal.signal(signal.SIGTERM, end)
    if "ignores-its-end" in script:
        signal.signal(signal.SIGTERM, disregard)
    BOOTS.write_text(BOOTS.read_text() + "x" if BOOTS.exists() else "x")
    say(f"boot {len(BOOTS.read_text())}")
    say(f"process {os.getpid()}")
    say("begins")
    if "forks" in script:
        leave_a_process()
    if "ends=3" in script:
        sys.exit(3)
    told = ""
    while True:
        now = see() if "polls" in script else write() if "writes" in script else ""
        if "ignores-its-end" in script and Path("was-told").exists():
            now = "lives on"
        if now not in (told, ""):
            say(now)
            told = now
        time.sleep(0.25)


if __name__ == "__main__":
    main(sys.argv[1:])
