from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from service.agent.document import SCHEMA_VERSION
from service.gateway.callers import ACaller
from service.gateway.context import AGateway
from service.gateway.documents import incident_document
from service.gateway.problem import Problem
from service.jobs.records import IncidentQuery, IncidentStatus

router = APIRouter(tags=["incidents"])


@router.get("/v1/incidents")
async def list_incidents(
    parts: AGateway,
    caller: ACaller,
    status: IncidentStatus | None = None,
    service: Annotated[str, Query(max_length=500)] = "",
    cursor: Annotated[str, Query(max_length=100)] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> JSONResponse:
    """Incidents, newest first; ``next_cursor`` leads to the next page and is null on the last."""
    page = await parts.store.incidents(IncidentQuery(caller.tenant, status, service, cursor, limit))
    return JSONResponse(
        {
            "schema_version": SCHEMA_VERSION,
            "incidents": [incident_document(incident) for incident in page.incidents],
            "next_cursor": page.next_cursor or None,
        }
    )


@router.get("/v1/incidents/{incident_id}")
async def get_incident(incident_id: str, parts: AGateway, caller: ACaller) -> JSONResponse:
    """One incident."""
    incident = await parts.store.incident(caller.tenant, incident_id)
    if incident is None:
        raise Problem(404, f"there is no incident {incident_id[:80]}")
    return JSONResponse(incident_document(incident))
