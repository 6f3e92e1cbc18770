"""Errors as ``application/problem+json`` (RFC 9457), whatever went wrong."""

import asyncio
import contextlib
import http
import math
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from service.agent.document import SCHEMA_VERSION
from service.errors import CallerError, StoreError
from service.telemetry import logger
from service.text import printable

MEDIA_TYPE = "application/problem+json"
LINGER_S = 2.0
LINGER_BYTES = 32_000_000


class Problem(Exception):
    """An answer that says why there is no other."""

    def __init__(self, status: int, detail: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = {} if retry_after_s is None else {"Retry-After": str(math.ceil(retry_after_s))}


class StillComing(Problem):
    """A body that will not be read, as it is too long or there is no room. Its sender is told while still sending."""


class LingeringResponse(JSONResponse):
    """A whole response, after which what still comes of the request is thrown away for a while, unread. If the
    connection were closed at once, a sender that writes everything before it reads would see a reset instead of it.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send, then linger."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                await _throw_away(receive, LINGER_BYTES)
        await send({"type": "http.response.body", "body": b""})


async def _throw_away(receive: Receive, most_bytes: int) -> None:
    while most_bytes > 0:
        message = await receive()
        most_bytes -= len(message.get("body", b""))
        if not message.get("more_body", False):
            return


def problem_response(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """The problem as a response; its detail stays on one line."""
    return JSONResponse(_document(status, detail), status, dict(headers or {}), media_type=MEDIA_TYPE)


def _document(status: int, detail: str) -> dict[str, object]:
    return {
        "schema_version": SCHEMA_VERSION,
        "type": "about:blank",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": printable(detail),
    }


def answer_with_problems(app: FastAPI) -> None:
    """Let every error of the app be told as a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(StillComing, _still_coming)
    app.add_exception_handler(CallerError, _caller)
    app.add_exception_handler(StoreError, _store)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _ours)


def _problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem_response(error.status, error.detail, error.headers)


def _still_coming(_request: Request, error: Exception) -> Response:
    assert isinstance(error, StillComing)
    headers = {**error.headers, "Connection": "close"}
    return LingeringResponse(_document(error.status, error.detail), error.status, headers, media_type=MEDIA_TYPE)


def _caller(_request: Request, error: Exception) -> Response:
    return problem_response(422, str(error))


def _store(_request: Request, error: Exception) -> Response:
    """Where the store lies and what it said is for the log."""
    logger("gateway").error("%s", error)
    return problem_response(503, "the incident store cannot be used now; the log says why", {"Retry-After": "5"})


def _invalid(_request: Request, error: Exception) -> Response:
    """A parameter of the path or the query is not what it should be."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    return problem_response(422, f"{where}: {first['msg']}")


def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem_response(error.status_code, error.detail, error.headers)


def _ours(_request: Request, _error: Exception) -> Response:
    """What went wrong stands in the log; a stranger is not told."""
    return problem_response(500, "an error of hypocenter's own; its log says which")
