import functools
import time
from collections.abc import Generator
from contextlib import contextmanager

from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.gateway.doors import TOLD_AT
from service.gateway.guarding import TELEMETRY
from service.telemetry import Meters, continued, span

WORKING = frozenset({"POST", "PUT", "DELETE"})
"""Who only looks, which dashboards and probes do all the time, leaves no trace."""


class Measured:
    """Counts requests and the time until their responses begin, by route (never by path: ids would be without end);
    what causes work goes on with the trace that it came with, or begins one.
    """

    def __init__(self, app: ASGIApp, meters: Meters, tracer: Tracer) -> None:
        self._app = app
        # Which they are is bounded: routes, methods and statuses. To have them looked up each time costs more.
        self._requests = functools.cache(meters.requests.labels)
        self._seconds = functools.cache(meters.request_seconds.labels)
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, answered = time.perf_counter(), False

        async def measured(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                self._note(scope, message["status"], time.perf_counter() - started, active)
            await send(message)

        with self._traced(scope) as active:
            try:
                await self._app(scope, receive, measured)
            finally:
                if not answered:  # it broke: what the sender is told then is told outside of us
                    self._note(scope, 500, time.perf_counter() - started, active)

    @contextmanager
    def _traced(self, scope: Scope) -> Generator[Span | None]:
        # Telemetry that comes in leaves none either: our own may be among it, which would tell of itself without end.
        if scope["method"] not in WORKING or scope["path"] in TELEMETRY:
            yield None
            return
        attributes = {"http.request.method": scope["method"], "url.path": scope["path"]}
        with (
            continued(self._tracer, _header(scope, b"traceparent")),
            span(scope["method"], attributes, SpanKind.SERVER) as active,
        ):
            yield active

    def _note(self, scope: Scope, status: int, seconds: float, active: Span | None) -> None:
        route = _route(scope)
        method = scope["method"] if scope["method"] in KNOWN_METHODS else "other"
        self._requests(method, route, str(status)).inc()
        self._seconds(method, route).observe(seconds)
        if active is not None:
            active.update_name(f"{method} {route}")
            active.set_attributes({"http.route": route, "http.response.status_code": status})
            if status >= 500:
                active.set_attribute("error.type", str(status))
                active.set_status(StatusCode.ERROR)


def _route(scope: Scope) -> str:
    # Who is refused at the doors comes to no route; that webhooks are, somebody has to be told.
    meant = scope["path"] if scope["path"] in TOLD_AT else "unmatched"
    return getattr(scope.get("route"), "path", meant)


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
