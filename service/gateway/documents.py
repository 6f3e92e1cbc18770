"""Stored records as the JSON that goes over the wire."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from service.agent.document import SCHEMA_VERSION
from service.domain.alert import Alert
from service.domain.localization import Stop
from service.domain.window import rfc3339
from service.evidence.redaction import redact
from service.gateway.problem import Problem
from service.jobs.records import IncidentRecord, JobStatus, LocalizationRecord

LONGEST_TEXT = 4000


def incident_document(incident: IncidentRecord) -> dict[str, object]:
    """An incident with its alerts and the localizations that it caused."""
    window = incident.window
    return {
        "schema_version": SCHEMA_VERSION,
        "id": incident.id,
        "status": incident.status,
        "group_key": redact(incident.group_key, LONGEST_TEXT),
        "opened_at": rfc3339(incident.opened_at),
        "heard_at": rfc3339(incident.heard_at),
        "resolved_at": _maybe(incident.resolved_at),
        "services": sorted(incident.services),
        "window": None if window is None else [rfc3339(window.start), rfc3339(window.end)],
        "alerts": [_alert(alert) for alert in incident.alerts],
        "localizations": [{"id": ref.id, "status": ref.status, "reason": ref.reason} for ref in incident.localizations],
    }


def localization_state(localization: LocalizationRecord) -> dict[str, Any]:
    """The answer, also one that a better may yet replace; until there is one, and without one, how far it is."""
    if localization.result and localization.status in (JobStatus.RUNNING, JobStatus.DONE):
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
        "created_at": rfc3339(localization.created_at),
        "started_at": _maybe(localization.started_at),
        "finished_at": _maybe(localization.finished_at),
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
        "starts_at": rfc3339(alert.starts_at),
        "ends_at": _maybe(alert.ends_at),
        "labels": _redacted(alert.labels),
        "annotations": _redacted(alert.annotations),
        "generator_url": redact(alert.generator_url, LONGEST_TEXT),
    }


def _redacted(texts: Mapping[str, str]) -> dict[str, str]:
    """As people wrote them into rules, where they put what no page should show."""
    return {name: redact(text, LONGEST_TEXT) for name, text in texts.items()}


def _maybe(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
