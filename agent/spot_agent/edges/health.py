"""``GET /health``, for the probes of load balancers: 200 when the VM takes work, else 503.

Azure's probes take any answer but 200 as unhealthy. A connection is closed after its answer, so that no probe goes on
with one that was opened before. Whoever reaches the port can take a few connections for a few seconds, and no more:
the agent needs descriptors for its hooks. Nor is the probe kept out by them: the oldest one makes room for a new one.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from spot_agent.edges.web import UntilDeadline

_PATIENCE_S: Final = 5.0
"""For a whole request, however it comes."""
_BEGINS_WITHIN_S: Final = 2.0
"""A probe asks as soon as it is connected."""
_MOST_AT_ONCE: Final = 64


class HealthServer:
    """Answers on a port of its own, in threads of its own. 503 until it is told that the VM is ready."""

    def __init__(self, port: int) -> None:
        """Listen; 0 takes any free port. Raises ``OSError``."""
        self._is_ready = False
        self._server = _Server(("", port), self._handler())
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 5.0}, daemon=True).start()

    @property
    def port(self) -> int:
        """The port."""
        return int(self._server.server_address[1])

    def is_ready(self, ready: bool) -> None:  # noqa: FBT001 - the one thing that it says
        """Answer 200 from now on, or 503."""
        self._is_ready = ready

    def end(self) -> None:
        """Listen no longer."""
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            timeout = _PATIENCE_S
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                self.request.settimeout(_BEGINS_WITHIN_S)
                self.request.recv(1, socket.MSG_PEEK)  # raises TimeoutError: handle_error lets it be
                super().setup()
                self.rfile.close()
                self.rfile = io.BufferedReader(UntilDeadline(self.connection, time.monotonic() + _PATIENCE_S))

            def do_GET(self) -> None:
                is_health = self.path.partition("?")[0] == "/health"
                status = 404 if not is_health else 200 if server._is_ready else 503
                text = {200: b"ready\n", 503: b"takes no work\n", 404: b"only /health is here\n"}[status]
                self.send_response(status)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(text)))
                self.send_header("Cache-Control", "no-store")
                self.send_header("Connection", "close")
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(text)
                self.close_connection = True

            do_HEAD = do_GET  # noqa: N815 - http.server's naming

            def log_message(self, *given: Any) -> None:  # noqa: ANN401 - as it is overridden
                """Probes come every few seconds: they are not logged."""

        return Handler


class _Server(ThreadingHTTPServer):
    address_family = socket.AF_INET
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = _MOST_AT_ONCE

    def __init__(self, *given: Any) -> None:  # noqa: ANN401 - as it is overridden
        self._open: dict[socket.socket, None] = {}
        self._lock = threading.Lock()
        super().__init__(*given)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as it is overridden
        """Answer in a thread; with too many, hang up on the oldest: an answer takes no time, so it has not asked."""
        with self._lock:
            oldest = next(iter(self._open)) if len(self._open) >= _MOST_AT_ONCE else None
            if oldest is not None:
                del self._open[oldest]
                with suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)  # its thread wakes up, and closes it
            self._open[request] = None
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as it is overridden
        """Close a connection, however it ended."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, *given: Any) -> None:  # noqa: ANN401 - as it is overridden
        """Let a prober that hung up be."""
