from fastapi import APIRouter
from fastapi.responses import JSONResponse

from service.agent.document import SCHEMA_VERSION
from service.gateway.context import AdmittedBody, AGateway
from service.jobs.grouping import Notification
from service.stores.alert_body import parse_alert_body
from service.telemetry import traceparent

router = APIRouter(tags=["alerts"])

WEBHOOK = {
    "requestBody": {
        "required": True,
        "description": 'The webhook body of Alertmanager (version "4") or of Grafana (version "1").',
        "content": {"application/json": {"schema": {"type": "object", "required": ["version", "status", "alerts"]}}},
    }
}


@router.post("/v1/alerts", status_code=202, openapi_extra=WEBHOOK)
async def take_alerts(body: AdmittedBody, parts: AGateway) -> JSONResponse:
    """Take a notification. 202 says that its incident is stored durably; the ids are those of its first alert."""
    group = parse_alert_body(body)
    notification = Notification(
        parts.tenant, group.group_key, group.alerts, all_ended=group.status == "resolved", traceparent=traceparent()
    )
    receipts = await parts.store.accept(notification, parts.now())
    for alert in group.alerts:
        parts.meters.alerts.labels("firing" if alert.firing else "resolved").inc()
    for receipt in receipts:
        parts.meters.notified.labels("localized" if receipt.queued else "joined").inc()
    first = receipts[0]
    return JSONResponse(
        {
            "schema_version": SCHEMA_VERSION,
            "incident_id": first.incident_id,
            "localization_id": first.localization_id,
            "incidents": [
                {"id": r.incident_id, "localization_id": r.localization_id, "queued": r.queued} for r in receipts
            ],
        },
        202,
    )
