"""OTLP/HTTP: where exporters and collectors send traces, logs and metrics. Bodies, answers and errors are OTLP's."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from service.errors import HypocenterError
from service.gateway.callers import caller_of
from service.gateway.documented import PROBLEMS
from service.gateway.problem import LingeringResponse, Problem
from service.stores.embedded.intake import Kind, Sent
from service.stores.embedded.intakes import Intakes
from service.stores.embedded.refusals import FullError, MalformedError, OversizeError
from service.stores.embedded.room import Hold
from service.stores.embedded.wire import refusal_bytes
from service.telemetry import Meters

router = APIRouter(tags=["telemetry"])

PROTOBUF, JSON = "application/x-protobuf", "application/json"
BODY_TIMEOUT_S = 10.0
RETRY_AFTER_S = {429: 1, 503: 5}

BINARY: dict[str, Any] = {PROTOBUF: {"schema": {"type": "string", "format": "binary"}}}
SCHEMA: dict[str, Any] = {"requestBody": {"required": True, "content": {**BINARY, JSON: {}}}}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "It is on the disk.", "content": {**BINARY, JSON: {}}},
    "default": {
        "description": "What went wrong: OTLP's Status, or a problem where it is not about telemetry.",
        "content": {**BINARY, JSON: {}, **PROBLEMS["default"]["content"]},
    },
}


@router.post("/v1/traces", response_class=Response, responses=ANSWERS, openapi_extra=SCHEMA)
async def take_traces(request: Request) -> Response:
    """Take an ExportTraceServiceRequest; 200 says that its spans are on the disk."""
    return await _answer(request, Kind.TRACES)


@router.post("/v1/logs", response_class=Response, responses=ANSWERS, openapi_extra=SCHEMA)
async def take_logs(request: Request) -> Response:
    """Take an ExportLogsServiceRequest; 200 says that its records are on the disk."""
    return await _answer(request, Kind.LOGS)


@router.post("/v1/metrics", response_class=Response, responses=ANSWERS, openapi_extra=SCHEMA)
async def take_metrics(request: Request) -> Response:
    """Take an ExportMetricsServiceRequest; 200 says that its points are on the disk."""
    return await _answer(request, Kind.METRICS)


class _Lingering(LingeringResponse):
    """The same with a body that is bytes already."""

    def render(self, content: Any) -> bytes:
        """The bytes."""
        return bytes(content)


async def _answer(request: Request, kind: Kind) -> Response:
    as_json, packed = _is_json(request), _is_packed(request)
    intakes: Intakes = request.app.state.intakes
    with intakes.room.hold() as hold:
        try:
            body = await _read(request, intakes.body_limit_bytes, hold)
        except (OversizeError, FullError) as error:  # the sender is still sending
            return _refusal(error, as_json, _Lingering, {"Connection": "close"})
        except ClientDisconnect:
            return Response(status_code=400)
        try:
            caller = await caller_of(request)
            intake = await intakes.of(caller.tenant)
            receipt = await intake.take(Sent(kind, body, as_json, packed), hold)
        except HypocenterError as error:
            return _refusal(error, as_json)
    meters: Meters = request.app.state.gateway.meters
    meters.telemetry_rows.labels(kind.value).inc(receipt.rows)
    meters.telemetry_rejected.labels(kind.value).inc(receipt.rejected)
    return Response(receipt.answer, media_type=JSON if as_json else PROTOBUF)


def _is_json(request: Request) -> bool:
    told = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if told not in (PROTOBUF, JSON):
        raise Problem(415, f"the body should be {PROTOBUF} or {JSON}")
    return told == JSON


def _is_packed(request: Request) -> bool:
    told = request.headers.get("content-encoding", "identity").strip().lower()
    if told not in ("gzip", "identity", ""):
        raise Problem(415, "the body's encoding should be gzip, or none")
    return told == "gzip"


async def _read(request: Request, limit_bytes: int, hold: Hold) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit_bytes:
        raise _too_long(limit_bytes)
    read = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                hold.grow(len(chunk))
                read += chunk
                if len(read) > limit_bytes:
                    raise _too_long(limit_bytes)
    except TimeoutError:
        raise Problem(408, f"the body did not come within {BODY_TIMEOUT_S:g} s") from None
    return bytes(read)


def _too_long(limit_bytes: int) -> OversizeError:
    return OversizeError(f"the body is longer than {limit_bytes} bytes, which is the limit")


def _refusal(
    error: HypocenterError, as_json: bool, kind: type[Response] = Response, headers: dict[str, str] | None = None
) -> Response:
    status = _status(error)
    retry = {"Retry-After": str(RETRY_AFTER_S[status])} if status in RETRY_AFTER_S else {}
    body = refusal_bytes(str(error), as_json=as_json)
    return kind(body, status, {**retry, **(headers or {})}, media_type=JSON if as_json else PROTOBUF)


def _status(error: HypocenterError) -> int:
    """What may be sent again, unchanged, is 429 or 503: exporters do so for these alone."""
    match error:
        case MalformedError():
            return 400
        case OversizeError():
            return 413
        case FullError():
            return 429
        case _:
            return 503
