from fastapi import APIRouter
from fastapi.responses import JSONResponse

from service.agent.document import SCHEMA_VERSION
from service.domain.window import rfc3339
from service.gateway.callers import ACaller
from service.gateway.context import AGateway
from service.gateway.documents import found
from service.gateway.problem import Problem
from service.jobs.records import DeliveryRecord, DeliveryStatus

router = APIRouter(tags=["localizations"])


@router.get("/v1/localizations/{localization_id}/deliveries")
async def get_deliveries(localization_id: str, parts: AGateway, caller: ACaller) -> JSONResponse:
    """Where the answer went, or is going: to each target, with the last attempt's error."""
    record = found(await parts.store.localization(caller.tenant, localization_id), localization_id)
    deliveries = await parts.store.deliveries(caller.tenant, record.id)
    return JSONResponse(
        {
            "schema_version": SCHEMA_VERSION,
            "localization_id": record.id,
            "deliveries": [_document(delivery) for delivery in deliveries],
        }
    )


@router.post("/v1/localizations/{localization_id}/deliveries/{target}/again", status_code=202)
async def deliver_again(localization_id: str, target: str, parts: AGateway, caller: ACaller) -> JSONResponse:
    """Deliver it again where it was given up. What waits to be delivered goes on waiting; what arrived is 409."""
    record = found(await parts.store.localization(caller.tenant, localization_id), localization_id)
    delivery = await parts.store.deliver_again(caller.tenant, record.id, target, parts.now())
    if delivery is None:
        raise Problem(404, f"the answer of {record.id} was never meant for a target of that name")
    if delivery.status is DeliveryStatus.DELIVERED:
        raise Problem(409, "it has arrived there")
    return JSONResponse({"schema_version": SCHEMA_VERSION, "localization_id": record.id, **_document(delivery)}, 202)


def _document(delivery: DeliveryRecord) -> dict[str, object]:
    return {
        "target": delivery.target,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "error": delivery.error,
        "at": rfc3339(delivery.at),
    }
