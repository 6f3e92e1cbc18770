"""What the conductor listens for: spans (OTLP over HTTP, protobuf), Alertmanager's webhook, Prometheus' scrapes."""

import contextlib
import gzip
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Notified:
    """A webhook body as it came, and when (seconds since the epoch)."""

    at_s: float
    body: dict[str, object]

    @property
    def firing(self) -> bool:
        """Whether anything in it fires."""
        return self.body.get("status") == "firing"


@dataclass(slots=True)
class Intake:
    """An HTTP server in a thread of its own; what came lies here until it is taken.

    ``metrics`` is asked for the text that a scrape gets.
    """

    metrics: Callable[[], str]
    traces: list[tuple[float, bytes]] = field(default_factory=list[tuple[float, bytes]])
    notified: list[Notified] = field(default_factory=list[Notified])
    _server: ThreadingHTTPServer | None = None

    def __enter__(self) -> "Intake":
        handler = type("Handler", (_Handler,), {"intake": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None, "it is open"
        return self._server.server_address[1]

    def forget_before(self, moment_s: float) -> None:
        """Lets go of what came before that moment."""
        self.traces = [came for came in self.traces if came[0] >= moment_s]
        self.notified = [came for came in self.notified if came.at_s >= moment_s]

    def firing_since(self, moment_s: float) -> dict[str, object] | None:
        """The first body about an alert that began after that moment."""
        return next((came.body for came in self.notified if came.at_s >= moment_s and came.firing), None)


class _Handler(BaseHTTPRequestHandler):
    intake: Intake
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200, self.intake.metrics().encode(), "text/plain; version=0.0.4")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path == "/v1/traces":
            self.intake.traces.append((time.time(), body))
            self._answer(200, b"", "application/x-protobuf")
        elif self.path == "/alerts":
            self.intake.notified.append(Notified(time.time(), json.loads(body)))
            self._answer(200, b"{}", "application/json")
        else:
            self._answer(404, b"", "text/plain")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        """A peer that has gone away needs no answer."""
        with contextlib.suppress(ConnectionError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: who scrapes when is of no interest."""
