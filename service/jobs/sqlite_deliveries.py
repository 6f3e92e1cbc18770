"""Deliveries of answers in SQLite: taken under a lease, fenced by its token. Each function is part of one write."""

import json
import sqlite3
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from service.jobs.ids import new_id
from service.jobs.records import Delivery, DeliveryRecord, DeliveryStatus
from service.jobs.store import ABANDON_AT_ONCE, LeaseLost
from service.jobs.times import from_us, to_us


def queue_deliveries(
    connection: sqlite3.Connection, localization_id: str, targets: Sequence[str], now: datetime
) -> None:
    """Queue the answer's delivery to each target."""
    connection.executemany(
        "INSERT OR IGNORE INTO deliveries"
        " (id, tenant, localization_id, incident_id, target, status, not_before, at, queued_at)"
        " SELECT ?, tenant, id, incident_id, ?, 'queued', ?, ?, ? FROM localizations WHERE id = ?",
        [(new_id("del"), target, to_us(now), to_us(now), to_us(now), localization_id) for target in targets],
    )


def claim_delivery(
    connection: sqlite3.Connection, owner: str, lease_s: float, now: datetime, targets: Collection[str]
) -> Delivery | None:
    """Take the first that waits, or whose lease ran out."""
    row = connection.execute(
        "UPDATE deliveries SET owner = ?, lease_until = ?, token = token + 1, attempts = attempts + 1 WHERE seq = ("
        " SELECT seq FROM deliveries WHERE status = 'queued' AND target IN (SELECT value FROM json_each(?))"
        " AND not_before <= ? AND lease_until < ? ORDER BY seq LIMIT 1) RETURNING *",
        (owner, to_us(now + timedelta(seconds=lease_s)), json.dumps(list(targets)), to_us(now), to_us(now)),
    ).fetchone()
    if row is None:
        return None
    told = {name: row[name] for name in Delivery.__slots__ if name != "queued_at"}
    return Delivery(**told, queued_at=from_us(row["queued_at"]))


def delivered(connection: sqlite3.Connection, delivery: Delivery, now: datetime) -> None:
    """Settle it: it arrived."""
    _settle(connection, delivery, DeliveryStatus.DELIVERED, "", now, now)


def undelivered(
    connection: sqlite3.Connection, delivery: Delivery, error: str, now: datetime, retry_at: datetime | None
) -> None:
    """Queue it again, or give it up."""
    status = DeliveryStatus.DEAD if retry_at is None else DeliveryStatus.QUEUED
    _settle(connection, delivery, status, error, now, retry_at or now)


def deliveries(connection: sqlite3.Connection, tenant: str, localization_id: str) -> list[DeliveryRecord]:
    """What became of each."""
    rows = connection.execute(
        "SELECT * FROM deliveries WHERE localization_id = ? AND tenant = ? ORDER BY seq", (localization_id, tenant)
    )
    return [
        DeliveryRecord(r["target"], DeliveryStatus(r["status"]), r["attempts"], r["error"], from_us(r["at"]))
        for r in rows
    ]


def deliver_again(
    connection: sqlite3.Connection, tenant: str, localization_id: str, target: str, now: datetime
) -> DeliveryRecord | None:
    """Queue a dead letter again."""
    connection.execute(
        "UPDATE deliveries SET status = 'queued', not_before = ?, at = ?, queued_at = ?"
        " WHERE localization_id = ? AND tenant = ? AND target = ? AND status = 'dead'",
        (to_us(now), to_us(now), to_us(now), localization_id, tenant, target),
    )
    return next((d for d in deliveries(connection, tenant, localization_id) if d.target == target), None)


def abandon(
    connection: sqlite3.Connection, served: Collection[str], due_before: datetime, error: str, now: datetime
) -> list[str]:
    """Make dead letters of what nobody takes."""
    rows = connection.execute(
        "UPDATE deliveries SET status = 'dead', error = ?, at = ?, lease_until = 0 WHERE seq IN ("
        " SELECT seq FROM deliveries WHERE status = 'queued' AND target NOT IN (SELECT value FROM json_each(?))"
        " AND max(not_before, lease_until) < ? LIMIT ?) RETURNING target",
        (error, to_us(now), json.dumps(list(served)), to_us(due_before), ABANDON_AT_ONCE),
    )
    return [row["target"] for row in rows]


def _settle(
    connection: sqlite3.Connection,
    delivery: Delivery,
    status: DeliveryStatus,
    error: str,
    now: datetime,
    not_before: datetime,
) -> None:
    settled = connection.execute(
        "UPDATE deliveries SET status = ?, error = ?, at = ?, not_before = ?, lease_until = 0"
        " WHERE id = ? AND token = ? AND status = 'queued' AND lease_until > 0",
        (status, error, to_us(now), to_us(not_before), delivery.id, delivery.token),
    )
    if settled.rowcount == 0:
        raise LeaseLost(f"delivery {delivery.id}: lease {delivery.token} holds no more")
