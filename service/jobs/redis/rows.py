"""How the records of the store read as hashes and JSON of Redis, and back."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote, unquote

from service.domain.alert import Alert
from service.domain.subject import Trusted
from service.domain.window import Window
from service.jobs.draft import Draft, Queued, Telling, Written
from service.jobs.records import (
    Delivery,
    DeliveryRecord,
    DeliveryStatus,
    IncidentRecord,
    IncidentStatus,
    JobStatus,
    LocalizationRecord,
    LocalizationRef,
    Reason,
)
from service.jobs.times import from_us, maybe_us, to_us


def tenant_key(tenant: str) -> str:
    """The tenant as keys and fields have it: no name of it can reach into another's keys."""
    return quote(tenant, safe="", errors="replace")


def fields_of(flat: Sequence[str]) -> dict[str, str]:
    """The hash that came as names and values in turn."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def document_of(draft: Draft) -> dict[str, object]:
    """All that is to be written."""
    return {
        "incidents": [_incident_document(written) for written in draft.written()],
        "localizations": [
            {"id": queued.id, "incident_id": queued.incident_id, "fields": _localization_fields(queued)}
            for queued in draft.queued
        ],
    }


def _incident_document(written: Written) -> dict[str, object]:
    incident = written.incident
    grown = incident.alerts != written.stored
    return {
        "id": incident.id,
        "new": written.stored is None,
        "group": incident.group_key,
        "priority": written.priority,
        "fields": {**_incident_fields(incident), **(_alert_fields(incident) if grown else {})},
        "services": sorted(incident.services) if grown else [],
        "pairs": _pairs_of(incident.alerts) if grown else [],
    }


def _localization_fields(queued: Queued) -> dict[str, object]:
    return {
        "reason": queued.reason,
        "priority": queued.priority,
        "created_at": str(to_us(queued.created_at)),
        "deadline_s": "" if queued.deadline_s is None else repr(queued.deadline_s),
        "traceparent": queued.traceparent,
        "since": "" if queued.since is None else str(to_us(queued.since)),
    }


def _incident_fields(incident: IncidentRecord) -> dict[str, str]:
    """What of an incident changes whenever somebody speaks of it."""
    return {
        "status": incident.status,
        "heard_at": str(to_us(incident.heard_at)),
        "resolved_at": "" if incident.resolved_at is None else str(to_us(incident.resolved_at)),
        "truncated": str(incident.truncated),
    }


def _alert_fields(incident: IncidentRecord) -> dict[str, str]:
    """What of it changes with its alerts: its document, and what it is found by."""
    window = incident.window
    document = {
        "group_key": incident.group_key,
        "window": window and [to_us(window.start), to_us(window.end)],
        "alerts": [_alert_document(alert) for alert in incident.alerts],
    }
    return {
        "document": json.dumps(document),
        "opened_at": str(to_us(incident.opened_at)),
        "services": json.dumps(sorted(incident.services)),
        "pairs": json.dumps(_pairs_of(incident.alerts)),
    }


def asked_of(telling: Telling) -> dict[str, object]:
    """What is asked of the stored incidents before a telling is placed."""
    told = telling.notification
    return {
        "pairs": _pairs_of(told.alerts),
        "group": told.group_key,
        "all_ended": told.all_ended,
        "relatives": sorted(telling.kin.relatives(told.services)),
        "since": str(to_us(telling.now - telling.kin.within)),
    }


def _pairs_of(alerts: Iterable[Alert]) -> list[tuple[str, str]]:
    """(fingerprint, startsAt) of each."""
    return [(alert.fingerprint, str(to_us(alert.starts_at))) for alert in alerts]


def incident_of(told: tuple[str, Sequence[str], Sequence[tuple[str, str, str, str]]]) -> IncidentRecord:
    """The incident of what a script tells of it: id, fields, and id, status, reason and since of its localizations."""
    id_, flat, refs = told
    fields = fields_of(flat)
    document: Mapping[str, Any] = json.loads(fields["document"])
    window = document["window"]
    return IncidentRecord(
        id=id_,
        tenant=unquote(fields["tenant"]),
        group_key=document["group_key"],
        alerts=tuple(_alert_of(alert) for alert in document["alerts"]),
        opened_at=from_us(int(fields["opened_at"])),
        heard_at=from_us(int(fields["heard_at"])),
        status=IncidentStatus(fields["status"]),
        resolved_at=from_us(int(fields["resolved_at"])) if fields["resolved_at"] else None,
        window=window and Window(from_us(window[0]), from_us(window[1])),
        truncated=int(fields.get("truncated", "0")),
        localizations=tuple(
            LocalizationRef(ref, JobStatus(status), Reason(reason), from_us(int(since)) if since else None)
            for ref, status, reason, since in refs
        ),
    )


def seq_of(told: tuple[str, Sequence[str], object]) -> int:
    """How manieth the incident was."""
    return int(fields_of(told[1])["seq"])


def localization_of(told: tuple[str, Sequence[str], int]) -> LocalizationRecord:
    """The localization of what a script tells of it: id, fields, and how many steps it has."""
    id_, flat, steps = told
    fields = fields_of(flat)
    return LocalizationRecord(
        id=id_,
        incident_id=fields["incident_id"],
        tenant=unquote(fields["tenant"]),
        status=JobStatus(fields["status"]),
        reason=Reason(fields["reason"]),
        created_at=from_us(int(fields["created_at"])),
        attempts=int(fields["attempts"]),
        started_at=from_us(int(fields["started_at"])) if fields.get("started_at") else None,
        finished_at=from_us(int(fields["finished_at"])) if fields.get("finished_at") else None,
        deadline_s=float(fields["deadline_s"]) if fields["deadline_s"] else None,
        error=fields.get("error", ""),
        result=fields.get("result", ""),
        steps=steps,
        traceparent=fields["traceparent"],
    )


def delivery_of(flat: Sequence[str]) -> Delivery:
    """The delivery of a hash."""
    fields = fields_of(flat)
    return Delivery(
        id=fields["id"],
        localization_id=fields["localization_id"],
        incident_id=fields["incident_id"],
        tenant=unquote(fields["tenant"]),
        target=fields["target"],
        attempts=int(fields["attempts"]),
        token=int(fields["token"]),
        queued_at=from_us(int(fields["queued_at"])),
    )


def delivery_record_of(flat: Sequence[str]) -> DeliveryRecord:
    """What became of the delivery of a hash."""
    fields = fields_of(flat)
    return DeliveryRecord(
        target=fields["target"],
        status=DeliveryStatus(fields["status"]),
        attempts=int(fields["attempts"]),
        error=fields["error"],
        at=from_us(int(fields["at"])),
    )


def _alert_document(alert: Alert) -> dict[str, object]:
    return {
        "fingerprint": alert.fingerprint,
        "starts_at": to_us(alert.starts_at),
        "ends_at": maybe_us(alert.ends_at),
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "generator_url": alert.generator_url,
        "trusted": asdict(alert.trusted),
    }


def _alert_of(document: Mapping[str, Any]) -> Alert:
    ends_at: int | None = document["ends_at"]
    return Alert(
        fingerprint=document["fingerprint"],
        starts_at=from_us(document["starts_at"]),
        ends_at=None if ends_at is None else from_us(ends_at),
        labels=document["labels"],
        annotations=document["annotations"],
        generator_url=document["generator_url"],
        trusted=Trusted.of(document.get("trusted", {})),  # older ones have none
    )
