"""What the operator found: graded at once, kept beside the answer as a labelled case."""

import json
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from service.agent.document import SCHEMA_VERSION
from service.domain.component import Component, ComponentKind
from service.domain.fault import Fault
from service.domain.localization import Cause, Localization, RankedBy, Stop
from service.domain.window import rfc3339
from service.gateway.bodies import validated
from service.gateway.callers import ACaller
from service.gateway.context import AGateway, Gateway, JsonBody
from service.gateway.documented import schema_of
from service.gateway.documents import found
from service.gateway.problem import Problem
from service.grader.grade import Grade, grade
from service.grader.truth import TrueCause, Truth
from service.jobs.graph_json import graph_of
from service.jobs.records import JobStatus, LocalizationRecord, StoredVerdict
from service.stores.validation import name_of
from service.text import printable

router = APIRouter(tags=["localizations"])


def _unfolded(value: object) -> object:
    """``{"component": {"kind", "name"}, "fault"}`` and ``{"component": "name"}`` as ``{"kind", "name", "fault"}``."""
    if not isinstance(value, dict) or "component" not in value:
        return cast("object", value)
    cause = dict(cast("dict[str, object]", value))
    component = cause.pop("component")
    return cause | (cast("dict[str, object]", component) if isinstance(component, dict) else {"name": component})


def _printable_lines(text: str) -> str:
    return "\n".join(map(printable, text.splitlines()))


class _Cause(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: ComponentKind = ComponentKind.SERVICE
    name: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(name_of)]
    fault: Fault = Fault.UNKNOWN


class Verdict(BaseModel):
    """What was really broken; no causes: nothing was."""

    model_config = ConfigDict(extra="forbid")
    schema_version: Literal["1"] = "1"
    causes: Annotated[list[Annotated[_Cause, BeforeValidator(_unfolded)]], Field(max_length=100)]
    note: Annotated[str, Field(max_length=10_000), AfterValidator(_printable_lines)] = ""


SCHEMA = {"requestBody": {"required": True, "content": {"application/json": {"schema": schema_of(Verdict)}}}}


@router.put("/v1/localizations/{localization_id}/verdict", openapi_extra=SCHEMA)
async def put_verdict(localization_id: str, body: JsonBody, parts: AGateway, caller: ACaller) -> Response:
    """Grade the answer by what the operator found, and keep both; a later verdict replaces an earlier one."""
    verdict = validated(Verdict, body)
    record = found(await parts.store.localization(caller.tenant, localization_id), localization_id)
    graded = await _graded(parts, caller.tenant, record, verdict)
    stored = StoredVerdict(verdict.model_dump_json(), json.dumps(_grade_document(graded)), parts.now())
    await parts.store.put_verdict(caller.tenant, record.id, stored)
    return JSONResponse(_document(record.id, stored))


@router.get("/v1/localizations/{localization_id}/verdict")
async def get_verdict(localization_id: str, parts: AGateway, caller: ACaller) -> Response:
    """What the operator found, and the grade."""
    stored = await parts.store.verdict(caller.tenant, localization_id)
    if stored is None:
        raise Problem(404, f"nobody has told what was behind localization {localization_id[:80]}")
    return JSONResponse(_document(localization_id, stored))


async def _graded(parts: Gateway, tenant: str, record: LocalizationRecord, verdict: Verdict) -> Grade:
    graph = await parts.store.graph(tenant, record.id)
    if record.status is not JobStatus.DONE or graph is None:
        raise Problem(409, f"localization {record.id} has no answer to be graded: it is {record.status}")
    truth = Truth(tuple(TrueCause(Component(c.kind, c.name), c.fault) for c in verdict.causes))
    return grade(_answer(json.loads(record.result)), truth, graph_of(graph))


def _answer(document: dict[str, Any]) -> Localization:
    """As much of a stored answer as the grader looks at."""
    causes = tuple(
        Cause(
            component=Component(ComponentKind(cause["component"]["kind"]), cause["component"]["name"]),
            fault=Fault(cause["fault"]),
            confidence=cause["confidence"],
            reason=cause["reason"],
            path=tuple(cause["path"]),
            evidence=(),
        )
        for cause in document["causes"]
    )
    return Localization(
        stop=Stop(document["stop"]),
        ranked_by=RankedBy(document["ranked_by"]),
        unresolved=document["unresolved"],
        causes=causes,
        seconds=document["seconds"],
    )


def _grade_document(graded: Grade) -> dict[str, object]:
    return {
        "rank": graded.rank,
        "right_at_1": graded.right_at_1,
        "right_at_3": graded.right_at_3,
        "reciprocal_rank": graded.reciprocal_rank,
        "fault_right": graded.fault_right,
        "false_cause": graded.false_cause,
    }


def _document(localization_id: str, stored: StoredVerdict) -> dict[str, object]:
    return {
        "schema_version": SCHEMA_VERSION,
        "localization_id": localization_id,
        "verdict": json.loads(stored.verdict),
        "grade": json.loads(stored.grade),
        "given_at": rfc3339(stored.given_at),
    }
