import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from service.agent.document import SCHEMA_VERSION
from service.domain.alert import Alert
from service.gateway.bodies import LONG_BYTES, read_body
from service.gateway.callers import Caller, caller_of
from service.gateway.context import Gateway, gateway
from service.jobs.grouping import Notification
from service.jobs.no_incidents import NoIncidents
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

    ``not_localized`` names those that are left out, and why: no incidents by ``grouping.no_incidents``, alerts about
    us, or by which we told a root cause. Of nothing else, the ids are null.
    """
    # Not as dependencies: to have them resolved costs as much as to parse the body, and in a storm this is all we do.
    parts, caller = await gateway(request), await caller_of(request)
    with parts.alerts_room.hold() as hold:
        body = await read_body(request, parts.alerts_limit_bytes, parts.body_timeout_s, hold)
        group = await _parsed(body, parts, long=hold.size >= LONG_BYTES)
        del body
        receipts = await _accept(group, parts, caller)
    _count(parts.meters, group, receipts)
    return _acknowledged(receipts, _left_out(group, parts.no_incidents))


async def _parsed(body: object, parts: Gateway, *, long: bool) -> AlertGroup:
    """What is long keeps nobody else waiting."""
    if long:
        return await asyncio.to_thread(parse_alert_body, body, parts.trusted)
    return parse_alert_body(body, parts.trusted)


async def _accept(group: AlertGroup, parts: Gateway, caller: Caller) -> list[Receipt]:
    receipts: list[Receipt] = []
    for tenant, alerts in _by_tenant(group, parts, caller).items():
        notification = Notification(
            tenant,
            group.group_key,
            alerts,
            all_ended=group.status == "resolved",
            traceparent=traceparent(),
            severities=parts.severities,
            again=parts.again,
            truncated=group.truncated,
        )
        receipts += await parts.store.accept(notification, parts.now(), parts.kin_of(tenant))
    return receipts


def _count(meters: Meters, group: AlertGroup, receipts: Sequence[Receipt]) -> None:
    firing = sum(alert.firing for alert in group.alerts)
    localized = sum(receipt.queued for receipt in receipts)
    meters.alerts.labels("firing").inc(firing)
    meters.alerts.labels("resolved").inc(len(group.alerts) - firing)
    meters.notified.labels("localized").inc(localized)
    meters.notified.labels("joined").inc(len(receipts) - localized)


def _left_out(group: AlertGroup, no_incidents: NoIncidents) -> list[dict[str, object]]:
    """What is not localized, by name and reason."""
    why = ((alert.labels.get("alertname", ""), no_incidents.reason(alert)) for alert in group.alerts)
    counted = Counter((name, reason) for name, reason in why if reason)
    return [{"alertname": name, "reason": reason, "alerts": n} for (name, reason), n in counted.items()]


def _acknowledged(receipts: Sequence[Receipt], left_out: Sequence[Mapping[str, object]]) -> JSONResponse:
    first = next((receipt for receipt in receipts if receipt.queued), receipts[0] if receipts else None)
    return JSONResponse(
        {
            "schema_version": SCHEMA_VERSION,
            "incident_id": first and first.incident_id,
            "localization_id": first and first.localization_id,
            "incidents": [
                {"id": r.incident_id, "localization_id": r.localization_id, "queued": r.queued} for r in receipts
            ],
            "not_localized": left_out,
        },
        202,
        {"Location": f"/v1/incidents/{first.incident_id}"} if first else None,
    )


def _by_tenant(group: AlertGroup, parts: Gateway, caller: Caller) -> dict[str, tuple[Alert, ...]]:
    shares: dict[str, list[Alert]] = {}
    for alert in group.alerts:
        if not parts.no_incidents.reason(alert):
            shares.setdefault(parts.doors.tenant_of(caller, alert.labels), []).append(alert)
    return {tenant: tuple(alerts) for tenant, alerts in shares.items()}
