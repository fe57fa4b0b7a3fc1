"""The metadata service and the queue over real sockets, with faults. For tests of the real agent's process."""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from virtual_vm.vm import MACHINE

if TYPE_CHECKING:
    from collections.abc import Callable

BODY_AFTER_S: Final = 0.01
"""The body leaves after the headers, so that they arrive apart, as the real service's may."""
INSTANCE: Final[dict[str, Any]] = {
    "compute": {
        "name": MACHINE.name,
        "vmId": MACHINE.vm_id,
        "resourceId": MACHINE.resource_id,
        "platformFaultDomain": MACHINE.fault_domain,
        "platformUpdateDomain": MACHINE.update_domain,
        # More than the 8 KB that http.client reads at once: Azure allows 64 KB of user data.
        "userData": "eA==" * 5000,
    }
}


class AzureStandIn:
    """Both, on one port. ``fault`` does to a request for events what it likes, and says whether it answered it."""

    def __init__(self) -> None:
        """Begin to answer."""
        self.events: list[dict[str, Any]] = []
        self.versions = {"2024-07-09", "2020-07-01"}
        self.unknown_version = 400
        self.fault: Callable[[BaseHTTPRequestHandler], bool] | None = None
        self.load_balancer: dict[str, Any] | None = None
        self.queue_status = 201
        self.instance: dict[str, Any] = INSTANCE
        self.token: dict[str, str] = {"access_token": "eyJ0", "expires_in": "3599"}
        self.messages: list[dict[str, Any]] = []
        self.acknowledged: list[str] = []
        self.polls: list[float] = []
        self.unruly: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        """Where the metadata service is."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def queue_url(self) -> str:
        """Where the queue is."""
        return f"{self.url}/account/agents"

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()

    def told(self, kind: str) -> list[dict[str, Any]]:
        """Give the messages of a type."""
        return [message for message in self.messages if message["type"] == f"SpotAgent.{kind}"]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        azure = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                azure.get(self)

            def do_POST(self) -> None:
                azure.post(self, self.rfile.read(int(self.headers.get("Content-Length") or 0)))

            def log_message(self, *given: Any) -> None:  # noqa: ANN401 - as it is overridden
                """Nothing is logged."""

        return Handler

    def get(self, request: BaseHTTPRequestHandler) -> None:
        """Answer as the metadata service."""
        path, query = urlsplit(request.path).path, parse_qs(urlsplit(request.path).query)
        if request.headers.get("Metadata") != "true" or "X-Forwarded-For" in request.headers:
            self.unruly.append(request.path)
            answer(request, 400, {"error": "Bad request. Required metadata header not specified"})
        elif path == "/metadata/scheduledevents":
            self.polls.append(time.monotonic())
            if self.fault and self.fault(request):
                return
            if query["api-version"][0] not in self.versions:
                answer(request, self.unknown_version, {"error": "Bad request. api-version is invalid"})
            else:
                answer(request, 200, {"DocumentIncarnation": 1, "Events": self.events})
        elif path == "/metadata/instance":
            answer(request, 200, self.instance)
        elif path == "/metadata/loadbalancer" and self.load_balancer:
            answer(request, 200, self.load_balancer)
        elif path == "/metadata/identity/oauth2/token":
            answer(request, 200, self.token)
        else:
            answer(request, 404, {"error": "not found"})

    def post(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        """Take an acknowledgement or a message."""
        if request.path.startswith("/metadata/scheduledevents"):
            self.acknowledged += [one["EventId"] for one in json.loads(body)["StartRequests"]]
            answer(request, 200, {})
        elif request.headers.get("Authorization") != "Bearer eyJ0" or "x-ms-version" not in request.headers:
            answer(request, 401, {})
        elif self.queue_status != 201 or not body:
            answer(request, self.queue_status if self.queue_status != 201 else 400, {})
        else:
            text = body.decode("ascii").partition("<MessageText>")[2].partition("</MessageText>")[0]
            self.messages.append(json.loads(base64.b64decode(text)))
            answer(request, 201, {})


def answer(request: BaseHTTPRequestHandler, status: int, body: dict[str, Any]) -> None:
    """Send a whole answer: the headers, and after a while the body."""
    content = json.dumps(body).encode()
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(content)))
    request.send_header("Connection", "close")
    request.end_headers()
    time.sleep(BODY_AFTER_S)
    request.wfile.write(content)
