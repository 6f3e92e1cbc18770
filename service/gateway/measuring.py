import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.telemetry import Meters


class Measured:
    """Counts requests and the time until their responses begin, by route (never by path: ids would be without end)."""

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        self._app = app
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()

        async def measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._note(scope, message["status"], time.perf_counter() - started)
            await send(message)

        await self._app(scope, receive, measured)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in KNOWN_METHODS else "other"
        self._meters.requests.labels(method, route, str(status)).inc()
        self._meters.request_seconds.labels(method, route).observe(seconds)


KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
