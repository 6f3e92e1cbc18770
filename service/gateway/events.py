"""The steps of a localization as server-sent events.

Each step is an event whose id is its number; after the last one comes ``end`` with the localization, whose id is the
number of steps. An answer that a better one may replace is an event ``interim`` without an id: who comes back is told
again. So ``Last-Event-ID`` says exactly what a client has seen, and one that has seen the end gets 204, which
stops an EventSource. Between events a comment keeps the connection alive.
"""

import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header
from fastapi.responses import Response, StreamingResponse

from service.errors import StoreError
from service.gateway.callers import ACaller
from service.gateway.context import AGateway, Gateway
from service.gateway.documents import found, localization_state
from service.gateway.problem import Problem
from service.jobs.records import JobStatus
from service.telemetry import logger

router = APIRouter(tags=["localizations"])

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
HEARTBEAT = ": still here\n\n"
STREAM: dict[int | str, Any] = {
    200: {"description": "The steps.", "content": {"text/event-stream": {}}},
    204: {"description": "All has been seen."},
}
NOTHING_SEEN = -1


@router.get("/v1/localizations/{localization_id}/events", response_class=StreamingResponse, responses=STREAM)
async def stream(
    localization_id: str, parts: AGateway, caller: ACaller, last_event_id: Annotated[str, Header()] = ""
) -> Response:
    """Every step: first those after ``Last-Event-ID`` that are there already, then the others as they are made."""
    seen = _seen(last_event_id)
    record = found(await parts.store.localization(caller.tenant, localization_id), localization_id)
    if record.status.ended and seen >= record.steps:
        return Response(status_code=204)
    return StreamingResponse(
        _unbroken(_events(parts, caller.tenant, record.id, seen)), media_type="text/event-stream", headers=HEADERS
    )


async def _unbroken(events: AsyncIterator[str]) -> AsyncIterator[str]:
    """The events up to where the store fails: the client comes back with what it has seen, and is answered then."""
    try:
        async for event in events:
            yield event
    except StoreError as error:
        logger("gateway").warning("events broken off: %s", error)


async def _events(parts: Gateway, tenant: str, localization_id: str, seen: int) -> AsyncIterator[str]:
    spoken_at, interim = time.monotonic(), ""
    with parts.store.watch(localization_id) as watch:
        while not parts.stopping.is_set():
            # In this order: the steps of what has ended by now are all there to be read.
            record = await parts.store.localization(tenant, localization_id)
            for step in await parts.store.steps(tenant, localization_id, seen):
                yield _event(step.number, "step", step.body)
                seen, spoken_at = step.number, time.monotonic()
            if record is None:
                return
            if record.status.ended:
                yield _event(record.steps, "end", json.dumps(localization_state(record)))
                return
            if record.status is JobStatus.RUNNING and record.result != interim:
                interim = record.result
                yield f"event: interim\ndata: {json.dumps(localization_state(record))}\n\n"
            if time.monotonic() - spoken_at >= parts.heartbeat_s:
                yield HEARTBEAT
                spoken_at = time.monotonic()
            await watch.next(parts.heartbeat_s)


def _event(number: int, name: str, data: str) -> str:
    """One event; JSON as we write it holds no line break."""
    return f"id: {number}\nevent: {name}\ndata: {data}\n\n"


def _seen(last_event_id: str) -> int:
    if not last_event_id:
        return NOTHING_SEEN
    if not (last_event_id.isascii() and last_event_id.isdecimal() and len(last_event_id) < 10):
        raise Problem(422, "Last-Event-ID: should be the number of the last event seen")
    return int(last_event_id)
