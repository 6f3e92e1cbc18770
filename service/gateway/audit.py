"""Who asked what, and what became of it: one line of the log for each request; no bodies, no secrets."""

import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.evidence.redaction import redact
from service.gateway.callers import Caller
from service.gateway.doors import METRICS, PROBES
from service.gateway.guarding import TELEMETRY
from service.gateway.measuring import KNOWN_METHODS
from service.telemetry import logger

QUIET = PROBES | TELEMETRY | {METRICS}
"""Of what comes many times a second and changes nothing that anybody decides on, only what was refused is told."""

LONGEST = 200


class Audited:
    """Writes the audit log, whatever the level of the others is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._log = logger("audit")
        self._log.setLevel(logging.INFO)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._note(scope, message)
            await send(message)

        await self._app(scope, receive, noted)

    def _note(self, scope: Scope, start: Message) -> None:
        status: int = start["status"]
        if status < 400 and scope["path"] in QUIET:
            return
        self._log.info("asked", extra={"fields": _fields(scope, start, status)})


def _fields(scope: Scope, start: Message, status: int) -> dict[str, object]:
    caller: Caller | None = scope.get("state", {}).get("caller")
    route = getattr(scope.get("route"), "path", None)
    ids = {name: redact(str(value), LONGEST) for name, value in scope.get("path_params", {}).items()}
    made = next((value.decode("latin-1") for name, value in start["headers"] if name == b"location"), None)
    return {
        "who": None if caller is None else caller.name,
        "tenant": None if caller is None else caller.tenant,
        "from": (scope.get("client") or [None])[0],
        "method": scope["method"] if scope["method"] in KNOWN_METHODS else redact(scope["method"], 20),
        "route": route or redact(scope["path"], LONGEST),
        **({"ids": ids} if ids else {}),
        **({"made": made} if made else {}),
        "status": status,
    }
