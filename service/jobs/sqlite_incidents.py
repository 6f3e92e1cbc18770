"""Incidents in SQLite: what happens inside one transaction. Each function is the work of one `Database` call."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import zip_longest

from service.domain.alert import Alert
from service.errors import CallerError
from service.jobs.grouping import Notification, Placement, place
from service.jobs.ids import new_id
from service.jobs.kin import NO_KIN, Kin
from service.jobs.priority import ASKED
from service.jobs.records import (
    IncidentPage,
    IncidentQuery,
    IncidentRecord,
    Question,
    Reason,
    Receipt,
)
from service.jobs.sqlite_rows import alert_json, incident_of
from service.jobs.times import maybe_us, to_us


def accept(
    connection: sqlite3.Connection, notification: Notification, now: datetime, kin: Kin = NO_KIN
) -> tuple[Receipt, ...]:
    """Place a notification, write what it changes, queue what it makes necessary."""
    known = _concerned(connection, notification, now, kin)
    placements = place(notification, known, new_id("inc"), now, kin)
    return tuple(_write(connection, placement, now, notification.traceparent) for placement in placements)


def ask(connection: sqlite3.Connection, tenant: str, question: Question, now: datetime) -> Receipt:
    """Queue a localization of the incident that the question's alerts belong to, or of a new one."""
    if question.window is not None:
        incident = question.incident(new_id("inc"), tenant, now)
        _insert(connection, incident)
    else:
        notification = Notification(tenant, question.group_key, question.alerts)
        placements = place(notification, _concerned(connection, notification, now), new_id("inc"), now)
        for placement in placements:
            _store(connection, placement)
        incident = placements[0].incident
    localization = queue(connection, incident, Reason.ASKED, ASKED, now, question.traceparent, question.deadline_s)
    return Receipt(incident.id, localization, queued=True)


def queue(
    connection: sqlite3.Connection,
    incident: IncidentRecord,
    reason: Reason,
    priority: int,
    now: datetime,
    traceparent: str,
    deadline_s: float | None = None,
) -> str:
    """Queue a localization and return its id."""
    id_ = new_id("loc")
    connection.execute(
        "INSERT INTO localizations"
        " (id, tenant, incident_id, reason, status, priority, deadline_s, created_at, not_before, traceparent)"
        " VALUES (?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?)",
        (id_, incident.tenant, incident.id, reason, priority, deadline_s, to_us(now), to_us(now), traceparent),
    )
    return id_


def incident(connection: sqlite3.Connection, tenant: str, incident_id: str) -> IncidentRecord | None:
    """The incident of that id."""
    row = connection.execute("SELECT * FROM incidents WHERE id = ? AND tenant = ?", (incident_id, tenant)).fetchone()
    return None if row is None else _filled(connection, row)


def incidents(connection: sqlite3.Connection, query: IncidentQuery) -> IncidentPage:
    """A page of incidents, newest first."""
    conditions, arguments = ["tenant = ?"], [query.tenant]
    if query.status is not None:
        conditions.append("status = ?")
        arguments.append(query.status)
    if query.service:
        conditions.append("id IN (SELECT incident_id FROM alerts WHERE tenant = ? AND service = ?)")
        arguments += [query.tenant, query.service]
    if query.cursor:
        conditions.append("seq < CAST(? AS INTEGER)")
        arguments.append(_cursor(query.cursor))
    rows = connection.execute(
        f"SELECT * FROM incidents WHERE {' AND '.join(conditions)} ORDER BY seq DESC LIMIT ?",  # noqa: S608 (constants)
        (*arguments, query.limit + 1),
    ).fetchall()
    page = rows[: query.limit]
    more = len(rows) > query.limit
    return IncidentPage(tuple(_filled(connection, row) for row in page), str(page[-1]["seq"]) if more else "")


def _cursor(cursor: str) -> str:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise CallerError("cursor: is none that a page of incidents ended with")
    return cursor


def _concerned(
    connection: sqlite3.Connection, notification: Notification, now: datetime, kin: Kin = NO_KIN
) -> list[IncidentRecord]:
    """What `place` has to know, newest first."""
    tenant, since = notification.tenant, to_us(now - kin.within)
    pairs = json.dumps([(alert.fingerprint, to_us(alert.starts_at)) for alert in notification.alerts])
    found: list[sqlite3.Row] = connection.execute(
        "SELECT DISTINCT incidents.* FROM json_each(?) AS pair"
        " JOIN alerts ON alerts.tenant = ? AND fingerprint = json_extract(pair.value, '$[0]')"
        " JOIN incidents ON incidents.id = incident_id"
        " WHERE starts_at = json_extract(pair.value, '$[1]') OR status = 'open' OR resolved_at > ?",
        (pairs, tenant, since),
    ).fetchall()
    if notification.group_key:
        found += connection.execute(
            "SELECT * FROM incidents WHERE tenant = ? AND group_key = ? AND status = 'open' ORDER BY seq DESC LIMIT 1",
            (tenant, notification.group_key),
        )
    if all(row["status"] != "open" for row in found):  # else that takes what is new
        found += connection.execute(
            "SELECT * FROM incidents WHERE status = 'open' AND opened_at > ? AND id IN"
            " (SELECT incident_id FROM alerts WHERE tenant = ? AND service IN (SELECT value FROM json_each(?)))",
            (since, tenant, json.dumps(sorted(kin.relatives(notification.services)))),
        )
    rows = {row["seq"]: row for row in found}
    return [_filled(connection, rows[seq]) for seq in sorted(rows, reverse=True)]


def _filled(connection: sqlite3.Connection, row: sqlite3.Row) -> IncidentRecord:
    alerts = connection.execute("SELECT * FROM alerts WHERE incident_id = ? ORDER BY position", (row["id"],))
    localizations = connection.execute(
        "SELECT id, status, reason FROM localizations WHERE incident_id = ? ORDER BY seq", (row["id"],)
    )
    return incident_of(row, alerts.fetchall(), localizations.fetchall())


def _write(connection: sqlite3.Connection, placement: Placement, now: datetime, traceparent: str) -> Receipt:
    _store(connection, placement)
    incident = placement.incident
    connection.execute(
        "UPDATE localizations SET priority = ? WHERE incident_id = ? AND status = 'queued' AND reason != ?",
        (placement.priority, incident.id, Reason.ASKED),
    )
    if placement.reason is not None:
        localization = queue(connection, incident, placement.reason, placement.priority, now, traceparent)
        return Receipt(incident.id, localization, queued=True)
    return Receipt(incident.id, incident.answered_by, queued=False)


def _store(connection: sqlite3.Connection, placement: Placement) -> None:
    if placement.before is None:
        _insert(connection, placement.incident)
    else:
        _update(connection, placement.incident, placement.before)


def _insert(connection: sqlite3.Connection, incident: IncidentRecord) -> None:
    window = incident.window
    connection.execute(
        "INSERT INTO incidents"
        " (id, tenant, group_key, status, window_start, window_end, opened_at, heard_at, resolved_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            incident.id,
            incident.tenant,
            incident.group_key,
            incident.status,
            window and to_us(window.start),
            window and to_us(window.end),
            to_us(incident.opened_at),
            to_us(incident.heard_at),
            maybe_us(incident.resolved_at),
        ),
    )
    _write_alerts(connection, incident, ())


def _update(connection: sqlite3.Connection, incident: IncidentRecord, before: IncidentRecord) -> None:
    connection.execute(
        "UPDATE incidents SET status = ?, heard_at = ?, resolved_at = ? WHERE id = ?",
        (incident.status, to_us(incident.heard_at), maybe_us(incident.resolved_at), incident.id),
    )
    _write_alerts(connection, incident, before.alerts)


def _write_alerts(connection: sqlite3.Connection, incident: IncidentRecord, stored: Sequence[Alert]) -> None:
    """Those that are new or read otherwise than they are stored; none ever changes its position."""
    rows: Iterable[Sequence[object]] = (
        (
            incident.tenant,
            alert.fingerprint,
            to_us(alert.starts_at),
            incident.id,
            position,
            alert.service,
            alert_json(alert),
        )
        for position, (alert, before) in enumerate(zip_longest(incident.alerts, stored))
        if alert != before
    )
    connection.executemany(
        "INSERT INTO alerts (tenant, fingerprint, starts_at, incident_id, position, service, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (tenant, fingerprint, starts_at) DO UPDATE SET service = excluded.service, body = excluded.body",
        rows,
    )
