from datetime import datetime
from typing import Annotated, Literal, cast

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from service.agent.document import SCHEMA_VERSION
from service.gateway.bodies import validated
from service.gateway.context import AGateway, JsonBody
from service.gateway.documented import schema_of
from service.jobs.records import Change
from service.stores.validation import Moment, printable

router = APIRouter(tags=["changes"])


class PlainChange(BaseModel):
    """A change in the plain form; without a time it is of now."""

    model_config = ConfigDict(extra="forbid")
    schema_version: Literal["1"] = "1"
    time: Moment | None = None
    service: Annotated[str, Field(min_length=1, max_length=500)]
    kind: Literal["deploy", "config", "scale", "restart"]
    summary: Annotated[str, Field(max_length=2000)] = ""


class _Many(BaseModel):
    model_config = ConfigDict(extra="forbid")
    schema_version: Literal["1"] = "1"
    changes: Annotated[list[PlainChange], Field(min_length=1)]


SCHEMA = {"requestBody": {"required": True, "content": {"application/json": {"schema": schema_of(PlainChange)}}}}


@router.post("/v1/changes", status_code=202, openapi_extra=SCHEMA)
async def take_changes(body: JsonBody, parts: AGateway) -> Response:
    """Keep a change, or several (``{"changes": […]}``); one that is known already is kept once."""
    now = parts.now()
    changes = [_change(told, now) for told in _told(body)]
    await parts.store.add_changes(parts.tenant, changes)
    return JSONResponse({"schema_version": SCHEMA_VERSION, "accepted": len(changes)}, 202)


def _told(body: object) -> list[PlainChange]:
    if isinstance(body, dict) and "changes" in body:
        return validated(_Many, cast("object", body)).changes
    return [validated(PlainChange, cast("object", body))]


def _change(told: PlainChange, now: datetime) -> Change:
    return Change(told.time or now, printable(told.service), told.kind, printable(told.summary))
