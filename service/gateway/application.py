from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

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
        guarded = Guarded(super().build_middleware_stack(), parts.doors, parts.rates, parts.looking_at_once)
        return SafeHeaders(Audited(Measured(guarded, parts.meters, parts.tracer)))
