from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from service.agent.document import SCHEMA_VERSION
from service.domain.alert import Alert
from service.gateway.callers import Caller, caller_of
from service.gateway.context import gateway, json_body
from service.gateway.doors import Doors
from service.jobs.grouping import Notification
from service.jobs.records import Receipt
from service.stores.alert_body import AlertGroup, parse_alert_body
from service.telemetry import Meters, traceparent

router = APIRouter(tags=["alerts"])

PATH = "/v1/alerts"

WEBHOOK = {
    "requestBody": {
        "required": True,
        "description": 'The webhook body of Alertmanager (version "4") or of Grafana (version "1").',
        "content": {"application/json": {"schema": {"type": "object", "required": ["version", "status", "alerts"]}}},
    }
}


@router.post(PATH, status_code=202, openapi_extra=WEBHOOK)
async def take_alerts(request: Request) -> JSONResponse:
    """Take a notification. 202 says that its incidents are stored durably; the ids are those of the first that is to be
    localized for it, else of its first alert.

    Alerts about us, or by which we told a root cause, are left out; of nothing else, the ids are null.
    """
    # Not as dependencies: to have them resolved costs as much as to parse the body, and in a storm this is all we do.
    parts, caller = await gateway(request), await caller_of(request)
    group = parse_alert_body(await json_body(request, parts), parts.trusted)
    receipts: list[Receipt] = []
    for tenant, alerts in _by_tenant(group, parts.doors, caller).items():
        notification = Notification(
            tenant,
            group.group_key,
            alerts,
            all_ended=group.status == "resolved",
            traceparent=traceparent(),
            severities=parts.severities,
            again=parts.again,
        )
        receipts += await parts.store.accept(notification, parts.now(), parts.kin_of(tenant))
    _count(parts.meters, group, receipts)
    return _acknowledged(receipts)


def _count(meters: Meters, group: AlertGroup, receipts: Sequence[Receipt]) -> None:
    firing = sum(alert.firing for alert in group.alerts)
    localized = sum(receipt.queued for receipt in receipts)
    meters.alerts.labels("firing").inc(firing)
    meters.alerts.labels("resolved").inc(len(group.alerts) - firing)
    meters.notified.labels("localized").inc(localized)
    meters.notified.labels("joined").inc(len(receipts) - localized)


def _acknowledged(receipts: Sequence[Receipt]) -> JSONResponse:
    first = next((receipt for receipt in receipts if receipt.queued), receipts[0] if receipts else None)
    return JSONResponse(
        {
            "schema_version": SCHEMA_VERSION,
            "incident_id": first and first.incident_id,
            "localization_id": first and first.localization_id,
            "incidents": [
                {"id": r.incident_id, "localization_id": r.localization_id, "queued": r.queued} for r in receipts
            ],
        },
        202,
        {"Location": f"/v1/incidents/{first.incident_id}"} if first else None,
    )


def _by_tenant(group: AlertGroup, doors: Doors, caller: Caller) -> dict[str, tuple[Alert, ...]]:
    shares: dict[str, tuple[Alert, ...]] = {}
    for alert in (alert for alert in group.alerts if not alert.ours):
        tenant = doors.tenant_of(caller, alert.labels)
        shares[tenant] = (*shares.get(tenant, ()), alert)
    return shares
