# ruff: noqa: D102 (what the methods mean is said at the port)

import sqlite3
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from service.domain.window import Window
from service.jobs import sqlite_deliveries as outbox
from service.jobs import sqlite_incidents as incidents
from service.jobs import sqlite_queue as jobs
from service.jobs.bell import Bell
from service.jobs.draft import Telling
from service.jobs.grouping import Notification
from service.jobs.intake import Intake
from service.jobs.kin import NO_KIN, Kin
from service.jobs.migrations import MIGRATIONS
from service.jobs.records import (
    NO_LIMITS,
    Backlog,
    Change,
    Claim,
    Delivery,
    DeliveryRecord,
    Ending,
    IncidentPage,
    IncidentQuery,
    IncidentRecord,
    Lease,
    Limits,
    LocalizationRecord,
    Question,
    Receipt,
    StoredStep,
    StoredVerdict,
)
from service.jobs.sqlite_database import Database
from service.jobs.sqlite_retention import forget
from service.jobs.store import DELIVERIES, QUEUE, Watch
from service.jobs.times import from_us, to_us

POLL_S = 0.5
"""How late a change by another process may be seen."""

TIMEOUT_S = 10.0


class SqliteStore:
    """`service.jobs.store.IncidentStore` in one SQLite file: WAL, flushed at every commit, commits shared by writes
    that come together. Several processes of one machine may use the file.
    """

    def __init__(self, path: Path, timeout_s: float = TIMEOUT_S, poll_s: float = POLL_S) -> None:
        """Open or create the file and bring its schema up to date. Raises `service.errors.StoreError`."""
        self._path = path
        self._database = Database(path, timeout_s)
        self._intake = Intake(str(path), self._take_in, timeout_s)
        self._bell = Bell(poll_s)

    async def accept(self, notification: Notification, now: datetime, kin: Kin = NO_KIN) -> tuple[Receipt, ...]:
        return await self._intake.put(Telling(notification, now, kin))

    async def ask(self, tenant: str, question: Question, now: datetime) -> Receipt:
        (receipt,) = await self._intake.put(Telling.asking(tenant, question, now))
        return receipt

    async def incident(self, tenant: str, incident_id: str) -> IncidentRecord | None:
        return await self._database.read(partial(incidents.incident, tenant=tenant, incident_id=incident_id))

    async def incidents(self, query: IncidentQuery) -> IncidentPage:
        return await self._database.read(partial(incidents.incidents, query=query))

    async def localization(self, tenant: str, localization_id: str) -> LocalizationRecord | None:
        return await self._database.read(partial(jobs.localization, tenant=tenant, id_=localization_id))

    async def transcript(self, tenant: str, localization_id: str) -> str | None:
        return await self._database.read(_document("transcript", tenant, localization_id))

    async def graph(self, tenant: str, localization_id: str) -> str | None:
        return await self._database.read(_document("graph", tenant, localization_id))

    async def steps(self, tenant: str, localization_id: str, after: int) -> list[StoredStep]:
        rows = await self._database.read(
            lambda connection: connection.execute(
                "SELECT number, body FROM steps JOIN localizations ON id = localization_id"
                " WHERE localization_id = ? AND tenant = ? AND number > ? ORDER BY number",
                (localization_id, tenant, after),
            ).fetchall()
        )
        return [StoredStep(row["number"], row["body"]) for row in rows]

    async def cancel(self, tenant: str, localization_id: str, now: datetime) -> LocalizationRecord | None:
        found = await self._database.write(partial(jobs.cancel, tenant=tenant, id_=localization_id, now=now))
        self._bell.ring(localization_id)
        return found

    async def claim(self, owner: str, lease_s: float, now: datetime, limits: Limits = NO_LIMITS) -> Claim | None:
        claim = await self._database.write(partial(jobs.claim, owner=owner, lease_s=lease_s, now=now, limits=limits))
        if claim is not None:
            self._bell.ring(claim.lease.localization_id)
        return claim

    async def renew(self, lease: Lease, lease_s: float, now: datetime) -> None:
        await self._database.write(partial(jobs.renew, lease=lease, lease_s=lease_s, now=now))

    async def add_steps(self, lease: Lease, steps: Sequence[StoredStep]) -> None:
        await self._database.write(partial(jobs.add_steps, lease=lease, steps=steps))
        self._bell.ring(lease.localization_id)

    async def interim(self, lease: Lease, ending: Ending, now: datetime) -> None:
        await self._database.write(partial(jobs.interim, lease=lease, ending=ending))
        self._bell.ring(lease.localization_id)

    async def finish(self, lease: Lease, ending: Ending, now: datetime, tell: Sequence[str] = ()) -> None:
        await self._database.write(partial(jobs.finish, lease=lease, ending=ending, now=now, tell=tell))
        self._bell.ring(lease.localization_id, QUEUE, DELIVERIES)

    async def drop(self, lease: Lease, reason: str, now: datetime) -> None:
        await self._database.write(partial(jobs.drop, lease=lease, reason=reason, now=now))
        self._bell.ring(lease.localization_id, QUEUE)

    async def fail(self, lease: Lease, error: str, now: datetime, retry_at: datetime) -> LocalizationRecord:
        failed = await self._database.write(partial(jobs.fail, lease=lease, error=error, now=now, retry_at=retry_at))
        self._bell.ring(lease.localization_id, QUEUE)
        return failed

    async def hand_back(self, lease: Lease, now: datetime) -> None:
        await self._database.write(partial(jobs.hand_back, lease=lease, now=now))
        self._bell.ring(lease.localization_id, QUEUE)

    async def claim_delivery(
        self, owner: str, lease_s: float, now: datetime, targets: Collection[str]
    ) -> Delivery | None:
        work = partial(outbox.claim_delivery, owner=owner, lease_s=lease_s, now=now, targets=targets)
        return await self._database.write(work)

    async def delivered(self, delivery: Delivery, now: datetime) -> None:
        await self._database.write(partial(outbox.delivered, delivery=delivery, now=now))

    async def undelivered(self, delivery: Delivery, error: str, now: datetime, retry_at: datetime | None) -> None:
        work = partial(outbox.undelivered, delivery=delivery, error=error, now=now, retry_at=retry_at)
        await self._database.write(work)
        self._bell.ring(DELIVERIES)

    async def deliveries(self, tenant: str, localization_id: str) -> list[DeliveryRecord]:
        return await self._database.read(partial(outbox.deliveries, tenant=tenant, localization_id=localization_id))

    async def deliver_again(
        self, tenant: str, localization_id: str, target: str, now: datetime
    ) -> DeliveryRecord | None:
        of = {"tenant": tenant, "localization_id": localization_id, "target": target}
        found = await self._database.write(partial(outbox.deliver_again, **of, now=now))
        self._bell.ring(DELIVERIES)
        return found

    async def abandon_deliveries(
        self, served: Collection[str], due_before: datetime, error: str, now: datetime
    ) -> list[str]:
        work = partial(outbox.abandon, served=served, due_before=due_before, error=error, now=now)
        return await self._database.write(work)

    async def forget(self, now: datetime, keep_s: float, keep_count: int) -> int:
        return await self._database.write(partial(forget, now=now, keep_s=keep_s, keep_count=keep_count))

    async def add_changes(self, tenant: str, changes: Sequence[Change]) -> None:
        """A change that is known already is not kept twice."""
        rows = [(tenant, to_us(c.time), c.service, c.kind, c.summary) for c in changes]
        await self._database.write(
            lambda connection: (
                connection.executemany(
                    "INSERT OR IGNORE INTO changes (tenant, time, service, kind, summary) VALUES (?, ?, ?, ?, ?)", rows
                ).rowcount
            )
        )

    async def changes(self, tenant: str, window: Window) -> list[Change]:
        rows = await self._database.read(
            lambda connection: connection.execute(
                "SELECT * FROM changes WHERE tenant = ? AND time BETWEEN ? AND ? ORDER BY time, seq",
                (tenant, to_us(window.start), to_us(window.end)),
            ).fetchall()
        )
        return [Change(from_us(row["time"]), row["service"], row["kind"], row["summary"]) for row in rows]

    async def put_verdict(self, tenant: str, localization_id: str, verdict: StoredVerdict) -> None:
        """A later verdict replaces an earlier one."""
        await self._database.write(
            lambda connection: (
                connection.execute(
                    "INSERT OR REPLACE INTO verdicts (localization_id, verdict, grade, given_at)"
                    " SELECT id, ?, ?, ? FROM localizations WHERE id = ? AND tenant = ?",
                    (verdict.verdict, verdict.grade, to_us(verdict.given_at), localization_id, tenant),
                ).rowcount
            )
        )

    async def verdict(self, tenant: str, localization_id: str) -> StoredVerdict | None:
        row = await self._database.read(
            lambda connection: connection.execute(
                "SELECT verdicts.* FROM verdicts JOIN localizations ON id = localization_id"
                " WHERE localization_id = ? AND tenant = ?",
                (localization_id, tenant),
            ).fetchone()
        )
        return None if row is None else StoredVerdict(row["verdict"], row["grade"], from_us(row["given_at"]))

    def watch(self, topic: str) -> AbstractContextManager[Watch]:
        return self._bell.watch(topic)

    async def backlog(self, now: datetime) -> Backlog:
        return await self._database.read(partial(jobs.backlog, now=now))

    async def check(self) -> str:
        at = to_us(datetime.now(UTC))
        await self._database.write(
            lambda connection: connection.execute("INSERT OR REPLACE INTO checks VALUES ('write', ?)", (at,)).rowcount
        )
        return f"SQLite {sqlite3.sqlite_version}, schema {len(MIGRATIONS)}, WAL, flushed at every commit: {self._path}"

    async def close(self) -> None:
        await self._intake.close()
        await self._database.close()

    async def _take_in(self, tenant: str, tellings: Sequence[Telling]) -> Sequence[tuple[Receipt, ...]]:
        receipts = await self._database.write(partial(incidents.take_in, tenant=tenant, tellings=tellings))
        self._bell.ring(QUEUE)
        return receipts


def _document(column: str, tenant: str, localization_id: str) -> Callable[[sqlite3.Connection], str | None]:
    def read(connection: sqlite3.Connection) -> str | None:
        row = connection.execute(
            f"SELECT {column} FROM localizations WHERE id = ? AND tenant = ?",  # noqa: S608 (a constant)
            (localization_id, tenant),
        ).fetchone()
        return (row[column] or None) if row is not None else None

    return read
