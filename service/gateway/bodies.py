"""Request bodies: read up to a limit, decoded strictly, validated with one clear line."""

import asyncio
from typing import TypeVar, cast

from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.requests import ClientDisconnect

from service.errors import CallerError
from service.gateway.problem import Problem, StillComing
from service.stores.embedded.refusals import FullError
from service.stores.embedded.room import Hold
from service.stores.validation import first_fault

LONG_BYTES = 500_000
"""Decoding a body of this length takes some milliseconds."""

Body = TypeVar("Body", bound=BaseModel)


async def read_body(request: Request, limit_bytes: int, timeout_s: float, hold: Hold | None = None) -> object:
    """The decoded JSON; while it comes it takes up room of ``hold``. Raises `Problem`: 413 as soon as it is known to be
    too long, 503 if there is no room, 408 if it does not come in time, 400 if it is no JSON.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit_bytes:
        raise _too_large(limit_bytes)
    try:
        async with asyncio.timeout(timeout_s):
            body = await _read(request, limit_bytes, hold)
    except TimeoutError:
        raise Problem(408, f"the body did not come within {timeout_s:g} s") from None
    except ClientDisconnect:
        raise Problem(400, "the sender went away before the body had come") from None
    # What is long keeps nobody else waiting.
    return _decoded(body) if len(body) < LONG_BYTES else await asyncio.to_thread(_decoded, body)


def validated(model: type[Body], body: object) -> Body:
    """The body as that model. Raises `CallerError` with one line."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise CallerError(f"body: {first_fault(error)}") from None


async def _read(request: Request, limit_bytes: int, hold: Hold | None) -> bytes:
    read = bytearray()
    async for chunk in request.stream():
        if hold is not None:
            _take_room(hold, len(chunk))
        read += chunk
        if len(read) > limit_bytes:
            raise _too_large(limit_bytes)
    return bytes(read)


def _take_room(hold: Hold, size: int) -> None:
    try:
        hold.grow(size)
    except FullError as full:
        raise StillComing(503, f"{full}; send it again") from None


def _decoded(body: bytes) -> object:
    try:
        return cast("object", from_json(body, allow_inf_nan=False))
    except ValueError as error:
        raise Problem(400, f"the body is no JSON that can be read: {error}") from None


def _too_large(limit_bytes: int) -> StillComing:
    return StillComing(413, f"the body is longer than {limit_bytes} bytes, which is the limit")
