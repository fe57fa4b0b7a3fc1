"""Prints what the metadata service tells this VM: the listener of ``spot-responder trial``, which reads it elsewhere.

Run as ``python3 -m spot_agent.commands.listen`` by the custom data of the trial's VM
(``spot_responder/clients/trials/custom_data.py``), which carries this module and what it imports, and nothing else.
Each line begins with ``MARK``, then follows JSON: when, in which boot, what. No token is printed, only how long it
lives.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from datetime import datetime, timezone
from http import HTTPStatus
from typing import Any, Final

from spot_agent.edges.clock import boot_id, booted_at
from spot_agent.edges.metadata import MetadataError, MetadataService
from spot_agent.edges.web import NoAnswerError, request

MARK: Final = "spot-trial "
_AZURE: Final = "http://169.254.169.254"
_EVENTS: Final = "/metadata/scheduledevents?api-version="
_LOAD_BALANCER: Final = "/metadata/loadbalancer?api-version=2020-10-01"
_EVERY_S: Final = 1.0
_COUNT_EVERY: Final = 30
_SPACED_S: Final = 0.25
"""The service takes 5 requests a second."""
_FIRST_WITHIN_S: Final = 130.0
_WITHIN_S: Final = 2.0


class Listener:
    """Asks each second, and prints what has changed; while an event is shown it prints each second."""

    def __init__(self, address: str) -> None:
        """Nothing is asked yet."""
        self._address = address
        self._service = MetadataService(address, _SPACED_S)
        self._asked = 0
        self._too_many = 0
        self._shown = ""

    def listen(self) -> None:
        """Go on until the process ends."""
        signal.signal(signal.SIGTERM, lambda *_: self._end())
        self._say("boot", booted_at=str(booted_at()))
        began = time.monotonic()
        status = self._ask("2020-07-01", _FIRST_WITHIN_S)
        self._say("first answer", status=status, took_s=round(time.monotonic() - began, 1))
        self._say_once()
        while True:
            began = time.monotonic()
            self._ask("2020-07-01", _WITHIN_S)
            if self._asked % _COUNT_EVERY == 0:
                self._say("listening")
            time.sleep(max(began + _EVERY_S - time.monotonic(), 0.0))

    def _say_once(self) -> None:
        """Print what does not change."""
        found: dict[str, Any] = {"newest": self._status("2024-07-09"), "unknown": self._status("2030-01-01")}
        time.sleep(_SPACED_S)
        for name, look in (
            ("name", lambda: self._service.machine().name),
            ("clock_error_s", self._service.clock_error_s),
            ("token_lives_s", lambda: self._service.token("").lives_s),
        ):
            try:
                found[name] = look()
            except MetadataError as error:
                found[name] = None
                found[name + "_refused"] = str(error)
        time.sleep(_SPACED_S)
        found["load_balancer"] = self._get(_LOAD_BALANCER, _WITHIN_S)[0]
        self._say("service", **found)

    def _status(self, version: str) -> int:
        time.sleep(_SPACED_S)
        return self._get(_EVENTS + version, _WITHIN_S)[0]

    def _ask(self, version: str, within_s: float) -> int:
        status, body = self._get(_EVENTS + version, within_s)
        self._asked += 1
        self._too_many += status == HTTPStatus.TOO_MANY_REQUESTS
        if status == HTTPStatus.OK:
            text = body.decode("utf-8", "replace")
            events = _events(text)
            if text != self._shown or events:
                self._say("events", events=events)
            self._shown = text
        return status

    def _get(self, path: str, within_s: float) -> tuple[int, bytes]:
        """Give status and body; 0 where there was no answer."""
        try:
            answer = request(
                "GET", self._address + path, {"Metadata": "true", "Connection": "close"}, within_s=within_s
            )
        except NoAnswerError:
            return 0, b""
        return answer.status, answer.body

    def _end(self) -> None:
        self._say("told to end")
        sys.exit(0)

    def _say(self, what: str, **more: Any) -> None:  # noqa: ANN401 - JSON
        count = {"asked": self._asked, "too_many": self._too_many}
        line = {"at": datetime.now(timezone.utc).isoformat(), "boot": boot_id(), "what": what, **more, **count}
        sys.stdout.write(MARK + json.dumps(line) + "\n")
        sys.stdout.flush()


def _events(text: str) -> list[Any]:
    try:
        written = json.loads(text)
    except ValueError:
        return []
    events = written.get("Events") if isinstance(written, dict) else None
    return events if isinstance(events, list) else []


if __name__ == "__main__":
    Listener(os.environ.get("SPOT_IMDS", _AZURE)).listen()
