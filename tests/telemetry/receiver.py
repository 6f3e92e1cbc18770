"""A collector of traces by OTLP/HTTP, on a free port; and one that hangs."""

import gzip
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Receiver(ThreadingHTTPServer):
    """Keeps what is sent to it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[ExportTraceServiceRequest] = []
        self.came = threading.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def spans(self) -> list[Span]:
        return [s for r in self.requests for of in r.resource_spans for scope in of.scope_spans for s in scope.spans]

    @property
    def services(self) -> set[str]:
        """The names of those who sent."""
        told = [a for r in self.requests for of in r.resource_spans for a in of.resource.attributes]
        return {attribute.value.string_value for attribute in told if attribute.key == "service.name"}

    def until(self, name: str, timeout_s: float) -> list[Span]:
        """All spans, once one of that name is among them."""
        with self.came:
            assert self.came.wait_for(lambda: any(span.name == name for span in self.spans), timeout_s), self.tree()
            return self.spans

    def tree(self) -> list[str]:
        """Names by their start, each indented below its parent; roots are those whose parent is not among them."""
        known = {span.span_id for span in self.spans}
        roots = {span.parent_span_id for span in self.spans} - known
        return [line for root in sorted(roots) for line in self._below(root, 0)]

    def _below(self, parent: bytes, depth: int) -> list[str]:
        children = sorted((s for s in self.spans if s.parent_span_id == parent), key=lambda s: s.start_time_unix_nano)
        return [line for s in children for line in ("  " * depth + s.name, *self._below(s.span_id, depth + 1))]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        with self.server.came:
            self.server.requests.append(ExportTraceServiceRequest.FromString(body))
            self.server.came.notify_all()
        self.send_response(200 if self.path == "/v1/traces" else 404)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def receiving() -> Generator[Receiver]:
    """A collector that takes everything."""
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def hanging() -> Generator[str]:
    """The address of a collector that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
