import json
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from service.agent.document import SCHEMA_VERSION
from service.gateway.callers import ACaller
from service.gateway.context import AGateway, Gateway, JsonBody
from service.gateway.documents import found, localization_state
from service.gateway.problem import Problem
from service.gateway.questions import SCHEMA, question_of
from service.gateway.waiting import until_ended
from service.jobs.records import JobStatus

router = APIRouter(tags=["localizations"])

WaitS = Annotated[float, Query(ge=0, allow_inf_nan=False, description="Wait this long for the answer, seconds.")]


ANSWERED: dict[int | str, dict[str, Any]] = {200: {"description": "The answer came in time."}}


@router.post("/v1/localizations", status_code=202, openapi_extra=SCHEMA, responses=ANSWERED)
async def ask(body: JsonBody, parts: AGateway, caller: ACaller, wait_s: WaitS = 0) -> Response:
    """Ask directly. 200 with the answer if it came within ``wait_s``, else 202 and where it will be."""
    question = replace(question_of(body, parts.now(), parts.trusted), again=parts.again)
    receipt = await parts.store.ask(caller.tenant, question, parts.now())
    record = found(await until_ended(parts, caller.tenant, receipt.localization_id, wait_s), receipt.localization_id)
    headers = {"Location": f"/v1/localizations/{record.id}"}
    return JSONResponse(localization_state(record), 200 if record.status.ended else 202, headers)


@router.get("/v1/localizations/{localization_id}")
async def get_localization(localization_id: str, parts: AGateway, caller: ACaller, wait_s: WaitS = 0) -> Response:
    """The answer, or how far it is; ``wait_s`` waits for the answer, up to the server's own limit."""
    record = found(await until_ended(parts, caller.tenant, localization_id, wait_s), localization_id)
    return JSONResponse(localization_state(record))


@router.delete("/v1/localizations/{localization_id}")
async def cancel(localization_id: str, parts: AGateway, caller: ACaller) -> Response:
    """Cancel it. What has ended before cannot be cancelled any more: 409."""
    record = found(await parts.store.cancel(caller.tenant, localization_id, parts.now()), localization_id)
    if record.status is not JobStatus.CANCELLED:
        raise Problem(409, f"it has ended before: {record.status}")
    return JSONResponse(localization_state(record))


@router.get("/v1/localizations/{localization_id}/transcript")
async def get_transcript(localization_id: str, parts: AGateway, caller: ACaller) -> Response:
    """Everything that the model saw and wrote, once there is an answer."""
    transcript = await parts.store.transcript(caller.tenant, localization_id)
    if transcript is None:
        raise Problem(404, await _why_none(parts, caller.tenant, localization_id))
    return JSONResponse({"schema_version": SCHEMA_VERSION, **json.loads(transcript)})


async def _why_none(parts: Gateway, tenant: str, localization_id: str) -> str:
    record = found(await parts.store.localization(tenant, localization_id), localization_id)
    return f"localization {record.id} has no transcript: it is {record.status}"
