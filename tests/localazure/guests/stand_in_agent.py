"""A stand-in for the agent, for tests of what is around it: told by Azure, it runs hooks and tells a queue.

It takes the agent's arguments ``--imds``, ``--state``, ``--hooks`` and ``--queue``, knows one kind of event, and does
nothing of what makes an agent reliable.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import ssl
import subprocess
import sys
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

SAMPLES = Path(__file__).resolve().parents[2] / "payloads" / "agent"
SAMPLE_OF = {"SpotAgent.EvictionNotice": "eviction_notice.json", "SpotAgent.WorkloadReady": "workload_ready.json"}
COMPUTE = "/metadata/instance/compute?api-version=2021-02-01"
EVENTS = "/metadata/scheduledevents?api-version=2020-07-01"
IDENTITY = (
    f"/metadata/identity/oauth2/token?api-version=2018-02-01&resource={quote('https://storage.azure.com/', safe='')}"
)


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def read(imds: str, path: str) -> Any:  # noqa: ANN401 - JSON
    """Ask the metadata service."""
    connection = HTTPConnection(urlsplit(imds).netloc, timeout=2)
    try:
        connection.request("GET", path, headers={"Metadata": "true"})
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def message(given: argparse.Namespace, kind: str) -> bytes:
    """Make a message of the sample that both sides of the queue hold to, about this VM."""
    about = read(given.imds, COMPUTE)
    content = json.loads((SAMPLES / SAMPLE_OF[kind]).read_text(encoding="utf-8"))
    content |= {"source": about["resourceId"], "subject": about["resourceId"]}
    content["data"]["vmId"] = about["vmId"]
    return json.dumps(content).encode()


def tell(given: argparse.Namespace, kind: str) -> None:
    """Write a message to the queue, with the VM's own identity."""
    body = base64.b64encode(message(given, kind)).decode()
    parts = urlsplit(given.queue)
    connection = HTTPSConnection(parts.netloc, timeout=2, context=ssl.create_default_context())
    try:
        token = read(given.imds, IDENTITY)["access_token"]
        connection.request(
            "POST",
            f"{parts.path}/messages",
            body=f"<QueueMessage><MessageText>{body}</MessageText></QueueMessage>",
            headers={
                "Authorization": f"Bearer {token}",
                "x-ms-version": "2021-12-02",
                "Content-Type": "application/xml",
            },
        )
        say(f"told {kind}: {connection.getresponse().status}")
    except (OSError, HTTPException) as error:
        say(f"not told {kind}: {type(error).__name__}")
    finally:
        connection.close()


def run_hooks(given: argparse.Namespace, event: str) -> None:
    """Run what is there for an event."""
    for hook in sorted(Path(given.hooks, event).iterdir()):
        subprocess.run([hook], check=True, env=os.environ | {"SPOT_AGENT_SECONDS_LEFT": "8"})  # noqa: S603 - a test's own


def main() -> None:
    """Run until the power ends."""
    parser = argparse.ArgumentParser()
    for name in ("--imds", "--state", "--hooks", "--queue", "--health-port"):
        parser.add_argument(name)
    given = parser.parse_args()
    state = Path(given.state)
    state.mkdir(exist_ok=True)
    if (state / "evicting").exists():
        run_hooks(given, "recover")
        tell(given, "SpotAgent.WorkloadReady")
    while True:
        events = read(given.imds, EVENTS)["Events"]
        if events and not (state / events[0]["EventId"]).exists():
            (state / events[0]["EventId"]).touch()
            (state / "evicting").touch()
            run_hooks(given, "preempt")
            tell(given, "SpotAgent.EvictionNotice")
        time.sleep(0.3)


if __name__ == "__main__":
    main()
