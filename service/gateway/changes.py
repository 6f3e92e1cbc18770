from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from service.agent.document import SCHEMA_VERSION
from service.gateway.callers import ACaller
from service.gateway.context import AGateway, JsonBody
from service.gateway.documented import schema_of
from service.jobs.records import Change
from service.stores.change_bodies.body import parse_change_body
from service.stores.change_bodies.plain import PlainChange

router = APIRouter(tags=["changes"])

OF_ANOTHER = {"type": "object", "description": "A CDEvent, an Application of Argo CD, a deployment hook of GitHub."}
ENVELOPE = {"type": "object", "required": ["specversion", "type"]}
SCHEMA: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"anyOf": [schema_of(PlainChange), OF_ANOTHER]}},
            "application/cloudevents+json": {"schema": ENVELOPE},
            "application/cloudevents-batch+json": {"schema": {"type": "array", "items": ENVELOPE, "minItems": 1}},
        },
    }
}


@router.post("/v1/changes", status_code=202, openapi_extra=SCHEMA)
async def take_changes(request: Request, body: JsonBody, parts: AGateway, caller: ACaller) -> Response:
    """Keep what a pipeline tells: the plain form, several of it (``{"changes": […]}``), CDEvents, CloudEvents in
    binary or structured mode, Argo CD's and GitHub's bodies. One that is known already is kept once; an event that is
    in order and tells of no change is accepted and says so (``ignored``), so that no sender repeats it.
    """
    now = parts.now()
    told = parse_change_body(body, request.headers)
    if told.changes:
        kept = [Change(c.time or now, c.service, c.kind, c.summary) for c in told.changes]
        await parts.store.add_changes(caller.tenant, kept)
    ignored = {"ignored": told.ignored} if told.ignored else {}
    return JSONResponse({"schema_version": SCHEMA_VERSION, "accepted": len(told.changes), **ignored}, 202)
