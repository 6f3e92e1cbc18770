"""Localizations in SQLite as jobs: taken under a lease, fenced by its token, ended once. Each function is one write."""

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta

from service.errors import StoreError
from service.jobs.records import (
    NO_LIMITS,
    Backlog,
    Claim,
    Ending,
    JobStatus,
    Lease,
    Limits,
    LocalizationRecord,
    StoredStep,
)
from service.jobs.sqlite_deliveries import queue_deliveries
from service.jobs.sqlite_incidents import incident
from service.jobs.sqlite_rows import localization_of
from service.jobs.store import MAX_ATTEMPTS, MAX_FAILURES, LeaseLost
from service.jobs.times import from_us, to_us

_COLUMNS = "l.*, (SELECT count(*) FROM steps WHERE localization_id = l.id) AS steps"


def localization(connection: sqlite3.Connection, tenant: str, id_: str) -> LocalizationRecord | None:
    """The localization of that id."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM localizations l WHERE id = ? AND tenant = ?",  # noqa: S608 (a constant)
        (id_, tenant),
    ).fetchone()
    return None if row is None else localization_of(row)


def claim(
    connection: sqlite3.Connection, owner: str, lease_s: float, now: datetime, limits: Limits = NO_LIMITS
) -> Claim | None:
    """Take the first that waits or was abandoned; what has killed too many workers is set aside on the way."""
    while (row := _next(connection, owner, now, limits)) is not None:
        if row["attempts"] < MAX_ATTEMPTS:
            return _take(connection, row["id"], owner, lease_s, now)
        error = f"given up: taken {row['attempts']} times, and no worker came back with it"
        _end(connection, row["id"], JobStatus.FAILED, now, error=error)
    return None


def renew(connection: sqlite3.Connection, lease: Lease, lease_s: float, now: datetime) -> None:
    """Prolong a lease that still holds."""
    _held(connection, lease)
    until = to_us(now + timedelta(seconds=lease_s))
    connection.execute("UPDATE localizations SET lease_until = ? WHERE id = ?", (until, lease.localization_id))


def add_steps(connection: sqlite3.Connection, lease: Lease, steps: Sequence[StoredStep]) -> None:
    """Store steps under a lease that still holds; one that is there already stays as it is."""
    _held(connection, lease)
    connection.executemany(
        "INSERT OR IGNORE INTO steps (localization_id, number, body) VALUES (?, ?, ?)",
        [(lease.localization_id, step.number, step.body) for step in steps],
    )


def interim(connection: sqlite3.Connection, lease: Lease, ending: Ending) -> None:
    """Store an answer without ending it."""
    _held(connection, lease)
    connection.execute(
        "UPDATE localizations SET result = ?, transcript = ?, graph = ? WHERE id = ?",
        (ending.result, ending.transcript, ending.graph, lease.localization_id),
    )


def finish(
    connection: sqlite3.Connection, lease: Lease, ending: Ending, now: datetime, tell: Sequence[str] = ()
) -> None:
    """Store the answer and queue its deliveries."""
    interim(connection, lease, ending)
    _end(connection, lease.localization_id, JobStatus.DONE, now)
    queue_deliveries(connection, lease.localization_id, tell, now)


def drop(connection: sqlite3.Connection, lease: Lease, reason: str, now: datetime) -> None:
    """End it unanswered."""
    _held(connection, lease)
    _end(connection, lease.localization_id, JobStatus.DROPPED, now, error=reason)


def fail(
    connection: sqlite3.Connection, lease: Lease, error: str, now: datetime, retry_at: datetime
) -> LocalizationRecord:
    """Count a failure: another try, or the end."""
    row = _held(connection, lease)
    if row["failures"] + 1 >= MAX_FAILURES:
        _end(connection, lease.localization_id, JobStatus.FAILED, now, error=error)
    else:
        _requeue(connection, lease, retry_at)
    connection.execute(
        "UPDATE localizations SET failures = failures + 1, error = ? WHERE id = ?", (error, lease.localization_id)
    )
    return _existing(connection, row["tenant"], lease.localization_id)


def hand_back(connection: sqlite3.Connection, lease: Lease, now: datetime) -> None:
    """Queue it again without holding the attempt against it."""
    _held(connection, lease)
    _requeue(connection, lease, now)
    connection.execute("UPDATE localizations SET attempts = attempts - 1 WHERE id = ?", (lease.localization_id,))


def cancel(connection: sqlite3.Connection, tenant: str, id_: str, now: datetime) -> LocalizationRecord | None:
    """End it unless it ended before."""
    found = localization(connection, tenant, id_)
    if found is None or found.status.ended:
        return found
    _end(connection, id_, JobStatus.CANCELLED, now)
    return _existing(connection, tenant, id_)


def backlog(connection: sqlite3.Connection, now: datetime) -> Backlog:
    """How much there is to do."""
    counts = dict.fromkeys(JobStatus, 0)
    for row in connection.execute("SELECT status, count(*) AS n FROM localizations GROUP BY status"):
        counts[JobStatus(row["status"])] = row["n"]
    oldest = connection.execute("SELECT min(created_at) FROM localizations WHERE status = 'queued'").fetchone()[0]
    return Backlog(counts, 0.0 if oldest is None else max(0.0, (now - from_us(oldest)).total_seconds()))


def _next(connection: sqlite3.Connection, owner: str, now: datetime, limits: Limits) -> sqlite3.Row | None:
    """A lease that ran out is taken over from other owners only: who is merely late with renewing goes on."""
    running = _running(connection, now)
    if limits.at_once and sum(running.values()) >= limits.at_once:
        return None
    full = json.dumps([tenant for tenant, n in running.items() if limits.per_tenant and n >= limits.per_tenant])
    waiting = connection.execute(
        "SELECT * FROM localizations WHERE status = 'queued' AND not_before <= ?"
        " AND tenant NOT IN (SELECT value FROM json_each(?)) ORDER BY priority DESC, seq LIMIT 1",
        (to_us(now), full),
    ).fetchone()
    abandoned = connection.execute(
        "SELECT * FROM localizations WHERE status = 'running' AND lease_until < ? AND owner != ?"
        " AND tenant NOT IN (SELECT value FROM json_each(?)) ORDER BY priority DESC, seq LIMIT 1",
        (to_us(now), owner, full),
    ).fetchone()
    found = [row for row in (abandoned, waiting) if row is not None]
    return max(found, key=lambda row: (row["priority"], -row["seq"]), default=None)


def _running(connection: sqlite3.Connection, now: datetime) -> dict[str, int]:
    """How many run of each tenant under a lease that holds."""
    rows = connection.execute(
        "SELECT tenant, count(*) AS n FROM localizations WHERE status = 'running' AND lease_until >= ? GROUP BY tenant",
        (to_us(now),),
    )
    return {row["tenant"]: row["n"] for row in rows}


def _take(connection: sqlite3.Connection, id_: str, owner: str, lease_s: float, now: datetime) -> Claim:
    connection.execute("DELETE FROM steps WHERE localization_id = ?", (id_,))
    connection.execute(
        "UPDATE localizations SET status = 'running', owner = ?, lease_until = ?, started_at = ?,"
        " token = token + 1, attempts = attempts + 1 WHERE id = ?",
        (owner, to_us(now + timedelta(seconds=lease_s)), to_us(now), id_),
    )
    row = connection.execute("SELECT tenant, token FROM localizations WHERE id = ?", (id_,)).fetchone()
    taken = _existing(connection, row["tenant"], id_)
    of = incident(connection, taken.tenant, taken.incident_id)
    if of is None:
        raise StoreError(f"localization {id_} belongs to incident {taken.incident_id}, which is not there")
    return Claim(Lease(id_, row["token"]), taken, of)


def _held(connection: sqlite3.Connection, lease: Lease) -> sqlite3.Row:
    row: sqlite3.Row | None = connection.execute(
        "SELECT tenant, failures FROM localizations WHERE id = ? AND token = ? AND status = 'running'",
        (lease.localization_id, lease.token),
    ).fetchone()
    if row is None:
        raise LeaseLost(f"localization {lease.localization_id}: lease {lease.token} holds no more")
    return row


def _requeue(connection: sqlite3.Connection, lease: Lease, at: datetime) -> None:
    connection.execute(
        "UPDATE localizations SET status = 'queued', owner = '', lease_until = 0, not_before = ? WHERE id = ?",
        (to_us(at), lease.localization_id),
    )


def _end(connection: sqlite3.Connection, id_: str, status: JobStatus, now: datetime, error: str = "") -> None:
    connection.execute(
        "UPDATE localizations SET status = ?, finished_at = ?, error = ?, owner = '', lease_until = 0 WHERE id = ?",
        (status, to_us(now), error, id_),
    )


def _existing(connection: sqlite3.Connection, tenant: str, id_: str) -> LocalizationRecord:
    found = localization(connection, tenant, id_)
    if found is None:
        raise StoreError(f"localization {id_} is not there any more")
    return found
