"""Incidents in SQLite: what happens inside one transaction. Each function is the work of one `Database` call."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

from service.errors import CallerError
from service.jobs.draft import Draft, Queued, Telling, Written
from service.jobs.records import IncidentPage, IncidentQuery, IncidentRecord, Reason, Receipt
from service.jobs.sqlite_rows import alert_json, incident_of
from service.jobs.times import maybe_us, to_us


def take_in(connection: sqlite3.Connection, tenant: str, tellings: Sequence[Telling]) -> list[tuple[Receipt, ...]]:
    """Place what was told and asked of a tenant, one after the other; write what it changes, queue what it makes
    necessary.
    """
    concerned = _concerned(connection, tenant, tellings)
    draft = Draft(_stored(connection, set[str]().union(*concerned)))
    receipts = [draft.take(*of_one) for of_one in zip(tellings, concerned, strict=True)]
    _write(connection, draft)
    return receipts


def incident(connection: sqlite3.Connection, tenant: str, incident_id: str) -> IncidentRecord | None:
    """The incident of that id."""
    row = connection.execute("SELECT id FROM incidents WHERE id = ? AND tenant = ?", (incident_id, tenant)).fetchone()
    return None if row is None else _stored(connection, {row["id"]})[0]


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
        f"SELECT id, seq FROM incidents WHERE {' AND '.join(conditions)} ORDER BY seq DESC LIMIT ?",  # noqa: S608 (constants)
        (*arguments, query.limit + 1),
    ).fetchall()
    page = rows[: query.limit]
    more = len(rows) > query.limit
    newest_first = tuple(reversed(_stored(connection, {row["id"] for row in page})))
    return IncidentPage(newest_first, str(page[-1]["seq"]) if more else "")


def _cursor(cursor: str) -> str:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise CallerError("cursor: is none that a page of incidents ended with")
    return cursor


def _concerned(connection: sqlite3.Connection, tenant: str, tellings: Sequence[Telling]) -> list[set[str]]:
    """The ids of what `place` has to know, for each telling."""
    found: list[set[str]] = [set() for _ in tellings]
    owned = [0] * len(tellings)
    nth: int
    id_: str
    for nth, id_, owns in _owning(connection, tenant, tellings):
        found[nth].add(id_)
        owned[nth] += owns
    homeless = [(n, telling) for n, telling in enumerate(tellings) if owned[n] < len(telling.notification.alerts)]
    for nth, id_ in (*_of_group(connection, tenant, tellings), *_related(connection, tenant, homeless)):
        found[nth].add(id_)
    return found


def _owning(connection: sqlite3.Connection, tenant: str, tellings: Sequence[Telling]) -> list[Sequence[Any]]:
    """What owns a pair of a telling; or another beginning of it, and is open, or that was the last. Whether it is the
    first, stands beside.
    """
    asked = [
        (nth, alert.fingerprint, to_us(alert.starts_at))
        for nth, telling in enumerate(tellings)
        for alert in telling.notification.alerts
    ]
    return connection.execute(
        # CROSS keeps SQLite in this order: from what is told to the incidents.
        "SELECT json_extract(told.value, '$[0]'), incidents.id, starts_at = json_extract(told.value, '$[2]') AS owns"
        " FROM json_each(?) AS told CROSS JOIN alerts ON alerts.tenant = ?"
        " AND fingerprint = json_extract(told.value, '$[1]') CROSS JOIN incidents ON incidents.id = incident_id"
        " WHERE owns OR status = 'open' OR starts_at ="
        " (SELECT max(began.starts_at) FROM alerts AS began WHERE began.tenant = alerts.tenant"
        " AND began.fingerprint = alerts.fingerprint)",
        (json.dumps(asked), tenant),
    ).fetchall()


def _of_group(connection: sqlite3.Connection, tenant: str, tellings: Sequence[Telling]) -> list[Sequence[Any]]:
    """The newest open one of a telling's group, or all of them if it says that nothing of the group fires."""
    told = ((nth, telling.notification) for nth, telling in enumerate(tellings))
    keys = [(nth, note.group_key, note.all_ended) for nth, note in told if note.group_key]
    return connection.execute(
        "SELECT json_extract(told.value, '$[0]'), incidents.id FROM json_each(?) AS told"
        " JOIN incidents ON tenant = ? AND group_key = json_extract(told.value, '$[1]') AND status = 'open'"
        " WHERE json_extract(told.value, '$[2]') OR seq = (SELECT max(seq) FROM incidents AS newest WHERE"
        " newest.tenant = incidents.tenant AND newest.group_key = incidents.group_key AND newest.status = 'open')",
        (json.dumps(keys), tenant),
    ).fetchall()


def _related(
    connection: sqlite3.Connection, tenant: str, tellings: Iterable[tuple[int, Telling]]
) -> list[Sequence[Any]]:
    """Open ones that opened a short while ago, by alerts of that time in a service of a telling's call paths."""
    asked = [
        (nth, service, to_us(first), to_us(last), to_us(telling.now - telling.kin.within))
        for nth, telling in tellings
        if telling.notification.alerts
        for first, last in (telling.notification.around(telling.kin.within),)
        for service in sorted(telling.kin.relatives(telling.notification.services))
    ]
    return connection.execute(
        "SELECT DISTINCT json_extract(told.value, '$[0]'), incidents.id FROM json_each(?) AS told"
        " JOIN alerts ON alerts.tenant = ? AND service = json_extract(told.value, '$[1]')"
        " AND starts_at BETWEEN json_extract(told.value, '$[2]') AND json_extract(told.value, '$[3]')"
        " JOIN incidents ON incidents.id = incident_id"
        " WHERE status = 'open' AND opened_at > json_extract(told.value, '$[4]')",
        (json.dumps(asked), tenant),
    ).fetchall()


def _stored(connection: sqlite3.Connection, ids: Collection[str]) -> list[IncidentRecord]:
    """Those incidents, oldest first."""
    named = (json.dumps(sorted(ids)),)
    alerts: dict[str, list[sqlite3.Row]] = {id_: [] for id_ in ids}
    for row in connection.execute(
        "SELECT * FROM alerts WHERE incident_id IN (SELECT value FROM json_each(?)) ORDER BY position", named
    ):
        alerts[row["incident_id"]].append(row)
    localizations: dict[str, list[sqlite3.Row]] = {id_: [] for id_ in ids}
    for row in connection.execute(
        "SELECT id, status, reason, since, incident_id FROM localizations"
        " WHERE incident_id IN (SELECT value FROM json_each(?)) ORDER BY seq",
        named,
    ):
        localizations[row["incident_id"]].append(row)
    rows = connection.execute(
        "SELECT * FROM incidents WHERE id IN (SELECT value FROM json_each(?)) ORDER BY seq", named
    )
    return [incident_of(row, alerts[row["id"]], localizations[row["id"]]) for row in rows]


def _write(connection: sqlite3.Connection, draft: Draft) -> None:
    written = draft.written()
    connection.executemany(
        "INSERT INTO incidents"
        " (id, tenant, group_key, status, window_start, window_end, opened_at, heard_at, resolved_at, truncated)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [_incident_row(one.incident) for one in written if one.stored is None],
    )
    connection.executemany(
        "UPDATE incidents SET status = ?, heard_at = ?, resolved_at = ?, truncated = ? WHERE id = ?",
        [
            (incident.status, to_us(incident.heard_at), maybe_us(incident.resolved_at), incident.truncated, incident.id)
            for incident in (one.incident for one in written if one.stored is not None)
        ],
    )
    connection.executemany(
        "INSERT INTO alerts (tenant, fingerprint, starts_at, incident_id, position, service, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (tenant, fingerprint, starts_at) DO UPDATE SET service = excluded.service, body = excluded.body",
        [row for one in written for row in _alert_rows(one)],
    )
    connection.executemany(
        "INSERT INTO localizations"
        " (id, tenant, incident_id, reason, status, priority, deadline_s, created_at, not_before, traceparent, since)"
        " SELECT ?, tenant, id, ?, 'queued', ?, ?, ?, ?, ?, ? FROM incidents WHERE id = ?",
        [_localization_row(queued) for queued in draft.queued],
    )
    connection.executemany(
        # The sign keeps SQLite from looking through all that is queued, instead of what is of the incident.
        "UPDATE localizations SET priority = ? WHERE incident_id = ? AND +status = 'queued' AND reason != ?",
        [(one.priority, one.incident.id, Reason.ASKED) for one in written if one.priority is not None],
    )


def _incident_row(incident: IncidentRecord) -> Sequence[object]:
    window = incident.window
    return (
        incident.id,
        incident.tenant,
        incident.group_key,
        incident.status,
        window and to_us(window.start),
        window and to_us(window.end),
        to_us(incident.opened_at),
        to_us(incident.heard_at),
        maybe_us(incident.resolved_at),
        incident.truncated,
    )


def _alert_rows(one: Written) -> Iterator[Sequence[object]]:
    """Those that are new or read otherwise than they are stored; none ever changes its position."""
    incident = one.incident
    for position, (alert, before) in enumerate(zip_longest(incident.alerts, one.stored or ())):
        if alert != before:
            began = to_us(alert.starts_at)
            yield incident.tenant, alert.fingerprint, began, incident.id, position, alert.service, alert_json(alert)


def _localization_row(queued: Queued) -> Sequence[object]:
    at, since = to_us(queued.created_at), maybe_us(queued.since)
    told = (queued.id, queued.reason, queued.priority, queued.deadline_s, at, at, queued.traceparent, since)
    return *told, queued.incident_id
