"""Stored records as the JSON that goes over the wire."""

import json
from datetime import UTC, datetime
from typing import Any

from service.domain.alert import Alert
from service.domain.localization import Stop
from service.gateway.problem import Problem
from service.jobs.records import IncidentRecord, JobStatus, LocalizationRecord

SCHEMA_VERSION = "1"


def time_text(time: datetime | None) -> str | None:
    """RFC 3339 in UTC."""
    return None if time is None else time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def incident_document(incident: IncidentRecord) -> dict[str, object]:
    """An incident with its alerts and the localizations that it caused."""
    window = incident.window
    return {
        "schema_version": SCHEMA_VERSION,
        "id": incident.id,
        "status": incident.status,
        "group_key": incident.group_key,
        "opened_at": time_text(incident.opened_at),
        "heard_at": time_text(incident.heard_at),
        "resolved_at": time_text(incident.resolved_at),
        "services": sorted(incident.services),
        "window": None if window is None else [time_text(window.start), time_text(window.end)],
        "alerts": [_alert(alert) for alert in incident.alerts],
        "localizations": [{"id": ref.id, "status": ref.status, "reason": ref.reason} for ref in incident.localizations],
    }


def localization_state(localization: LocalizationRecord) -> dict[str, Any]:
    """The answer once there is one; until then, and without one, how far it is."""
    if localization.status is JobStatus.DONE:
        answer: dict[str, Any] = json.loads(localization.result)
        return answer
    return {
        "schema_version": SCHEMA_VERSION,
        "id": localization.id,
        "incident_id": localization.incident_id,
        "status": localization.status,
        "stop": Stop.CANCELLED if localization.status is JobStatus.CANCELLED else None,
        "causes": [],
        "reason": localization.reason,
        "attempts": localization.attempts,
        "steps": localization.steps,
        "created_at": time_text(localization.created_at),
        "started_at": time_text(localization.started_at),
        "finished_at": time_text(localization.finished_at),
        "error": localization.error,
    }


def found(record: LocalizationRecord | None, localization_id: str) -> LocalizationRecord:
    """The record. Raises `Problem` 404 if there is none."""
    if record is None:
        raise Problem(404, f"there is no localization {localization_id[:80]}")
    return record


def _alert(alert: Alert) -> dict[str, object]:
    return {
        "fingerprint": alert.fingerprint,
        "status": "firing" if alert.firing else "resolved",
        "starts_at": time_text(alert.starts_at),
        "ends_at": time_text(alert.ends_at),
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "generator_url": alert.generator_url,
    }
