"""How the records of the store read as rows of SQLite, and back."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from service.domain.alert import Alert
from service.domain.subject import Trusted
from service.domain.window import Window
from service.jobs.records import (
    IncidentRecord,
    IncidentStatus,
    JobStatus,
    LocalizationRecord,
    LocalizationRef,
    Reason,
)
from service.jobs.times import from_us, maybe_time, maybe_us


def alert_json(alert: Alert) -> str:
    """What of an alert is not in columns of its own."""
    return json.dumps(
        {
            "ends_at": maybe_us(alert.ends_at),
            "labels": dict(alert.labels),
            "annotations": dict(alert.annotations),
            "generator_url": alert.generator_url,
            "trusted": asdict(alert.trusted),
        }
    )


def alert_of(row: sqlite3.Row) -> Alert:
    """The alert of a row."""
    body = json.loads(row["body"])
    labels: Mapping[str, str] = body["labels"]
    annotations: Mapping[str, str] = body["annotations"]
    return Alert(
        fingerprint=row["fingerprint"],
        starts_at=from_us(row["starts_at"]),
        ends_at=maybe_time(body["ends_at"]),
        labels=labels,
        annotations=annotations,
        generator_url=body["generator_url"],
        trusted=Trusted.of(body.get("trusted", {})),  # older ones have none
    )


def incident_of(
    row: sqlite3.Row, alerts: Sequence[sqlite3.Row], localizations: Sequence[sqlite3.Row]
) -> IncidentRecord:
    """The incident of a row, of the rows of its alerts and of its localizations."""
    window = None
    if row["window_start"] is not None:
        window = Window(from_us(row["window_start"]), from_us(row["window_end"]))
    return IncidentRecord(
        id=row["id"],
        tenant=row["tenant"],
        group_key=row["group_key"],
        alerts=tuple(alert_of(alert) for alert in alerts),
        opened_at=from_us(row["opened_at"]),
        heard_at=from_us(row["heard_at"]),
        status=IncidentStatus(row["status"]),
        resolved_at=maybe_time(row["resolved_at"]),
        window=window,
        truncated=row["truncated"],
        localizations=tuple(
            LocalizationRef(ref["id"], JobStatus(ref["status"]), Reason(ref["reason"]), maybe_time(ref["since"]))
            for ref in localizations
        ),
    )


def localization_of(row: sqlite3.Row) -> LocalizationRecord:
    """The localization of a row; ``steps`` is a column of the query."""
    return LocalizationRecord(
        id=row["id"],
        incident_id=row["incident_id"],
        tenant=row["tenant"],
        status=JobStatus(row["status"]),
        reason=Reason(row["reason"]),
        created_at=from_us(row["created_at"]),
        attempts=row["attempts"],
        started_at=maybe_time(row["started_at"]),
        finished_at=maybe_time(row["finished_at"]),
        deadline_s=row["deadline_s"],
        error=row["error"],
        result=row["result"],
        steps=row["steps"],
        traceparent=row["traceparent"],
    )
