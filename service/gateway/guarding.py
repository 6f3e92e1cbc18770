from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from service.gateway.callers import Scope
from service.gateway.doors import Doors
from service.gateway.problem import Problem, problem_response
from service.gateway.rate_limit import RateLimits

TELEMETRY = frozenset({"/v1/traces", "/v1/logs", "/v1/metrics"})


class Guarded:
    """Lets in who may come in, at the pace that they may come, before anything of a request is read.

    ``looking_at_once`` bounds who looks and waits, so that there is always a place for who tells.
    """

    def __init__(self, app: ASGIApp, doors: Doors, rates: RateLimits, looking_at_once: int) -> None:
        self._app = app
        self._doors = doors
        self._rates = rates
        self._looking_at_once = looking_at_once
        self._looking = 0

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        """Pass on, or answer with what forbids it."""
        if connection["type"] != "http":
            await self._app(connection, receive, send)
            return
        scope = self._doors.needed(connection["method"], connection["path"])
        try:
            self._let_in(connection, scope)
        except Problem as refused:
            await problem_response(refused.status, refused.detail, refused.headers)(connection, receive, send)
            return
        looks = scope in (Scope.READ, Scope.OPERATE)
        self._looking += looks
        try:
            await self._app(connection, receive, send)
        finally:
            self._looking -= looks

    def _let_in(self, connection: Connection, scope: Scope | None) -> None:
        """Note who asks, as soon as that is known, and see whether they may now. Raises `Problem` if not."""
        state, headers = connection.setdefault("state", {}), Headers(scope=connection)
        if scope is None:
            state["caller"] = self._doors.stranger_or_known(headers)
            return
        state["caller"] = self._doors.who(headers)
        caller = state["caller"] = self._doors.let_in(state["caller"], scope, connection["method"], headers)
        self._rates.admit("telemetry" if connection["path"] in TELEMETRY else scope, scope, caller)
        if scope is not Scope.INGEST and self._looking >= self._looking_at_once:
            raise Problem(429, f"{self._looking_at_once} are looking already", retry_after_s=1)
