from typing import Any

from fastapi import FastAPI
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from service.gateway.alerts import PATH, take_alerts
from service.gateway.audit import Audited
from service.gateway.context import Gateway
from service.gateway.documented import with_security
from service.gateway.guarding import Guarded
from service.gateway.measuring import Measured
from service.gateway.problem import answer_with_problems
from service.gateway.safe_headers import SafeHeaders


class Application(FastAPI):
    """Routes behind the doors: none is reached by who was not let in, whatever it is. What stands around them sees
    every answer, also that to an error of our own, which FastAPI gives outside of what it lets be added.
    """

    def __init__(self, gateway: Gateway, title: str, version: str, openapi_url: str | None = "/openapi.json") -> None:
        super().__init__(
            title=title,
            version=version,
            openapi_url=openapi_url,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,  # it would lead to whatever host the request names
            telemetry={"tracing": False, "metrics": False, "logs": False},  # ours tells all of it
        )
        self.state.gateway = gateway
        self._gateway = gateway
        answer_with_problems(self)

    def openapi(self) -> dict[str, Any]:
        """The contract; behind closed doors with what each route needs."""
        contract, doors = super().openapi(), self._gateway.doors
        return contract if doors.open else with_security(contract, doors.needed)

    def build_middleware_stack(self) -> ASGIApp:
        """What a request passes, from the outside in."""
        parts = self._gateway
        straight = Route(PATH, take_alerts, methods=["POST"])
        routes = _Straight(super().build_middleware_stack(), straight, self._telling_errors(straight.app))
        guarded = Guarded(routes, parts.doors, parts.rates, parts.looking_at_once)
        return SafeHeaders(Audited(Measured(guarded, parts.meters, parts.tracer)))

    def _telling_errors(self, app: ASGIApp) -> ASGIApp:
        """The same, with what it raises told as anywhere else."""
        told = dict(self.exception_handlers)
        ours: Any = told.pop(Exception)
        return ServerErrorMiddleware(ExceptionMiddleware(app, told), ours)


class _Straight:
    """Leads the requests to one route straight there. To be routed costs a webhook more than to be read and placed, and
    in a storm that is all we do.
    """

    def __init__(self, app: ASGIApp, route: Route, there: ASGIApp) -> None:
        self._app = app
        self._route = route
        self._there = there

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, there or to all routes."""
        if not self._leads(scope):
            await self._app(scope, receive, send)
            return
        scope["route"] = self._route
        await self._there(scope, receive, send)

    def _leads(self, scope: Scope) -> bool:
        here = scope["type"] == "http" and scope["path"] == self._route.path
        return here and scope["method"] in (self._route.methods or ())
