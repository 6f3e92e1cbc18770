"""The schema of the SQLite store, as the steps that lead to it. A step that was released is never changed.

``PRAGMA user_version`` counts the steps that a file has taken. Times are microseconds since 1970 (UTC), documents JSON.
"""

import sqlite3

from service.errors import StoreError

FIRST = """
CREATE TABLE incidents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    group_key TEXT NOT NULL,
    status TEXT NOT NULL,
    window_start INTEGER,
    window_end INTEGER,
    opened_at INTEGER NOT NULL,
    heard_at INTEGER NOT NULL,
    resolved_at INTEGER
);
CREATE INDEX incidents_by_group ON incidents (tenant, group_key, status);

CREATE TABLE alerts (
    tenant TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    starts_at INTEGER NOT NULL,
    incident_id TEXT NOT NULL REFERENCES incidents (id),
    position INTEGER NOT NULL,
    service TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, fingerprint, starts_at)
);
CREATE INDEX alerts_by_incident ON alerts (incident_id, position);
CREATE INDEX alerts_by_service ON alerts (tenant, service);

CREATE TABLE localizations (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    incident_id TEXT NOT NULL REFERENCES incidents (id),
    reason TEXT NOT NULL,
    status TEXT NOT NULL,
    priority INTEGER NOT NULL,
    deadline_s REAL,
    created_at INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    token INTEGER NOT NULL DEFAULT 0,
    owner TEXT NOT NULL DEFAULT '',
    lease_until INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    result TEXT NOT NULL DEFAULT '',
    transcript TEXT NOT NULL DEFAULT '',
    graph TEXT NOT NULL DEFAULT ''
);
CREATE INDEX localizations_by_incident ON localizations (incident_id, seq);
CREATE INDEX localizations_to_do ON localizations (status, priority DESC, seq) WHERE status IN ('queued', 'running');

CREATE TABLE steps (
    localization_id TEXT NOT NULL REFERENCES localizations (id),
    number INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (localization_id, number)
) WITHOUT ROWID;

CREATE TABLE changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    time INTEGER NOT NULL,
    service TEXT NOT NULL,
    kind TEXT NOT NULL,
    summary TEXT NOT NULL,
    UNIQUE (tenant, time, service, kind, summary)
);

CREATE TABLE verdicts (
    localization_id TEXT PRIMARY KEY REFERENCES localizations (id),
    verdict TEXT NOT NULL,
    grade TEXT NOT NULL,
    given_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE checks (name TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
"""

TRACEPARENT = "ALTER TABLE localizations ADD COLUMN traceparent TEXT NOT NULL DEFAULT ''"

DELIVERIES = """
CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    localization_id TEXT NOT NULL REFERENCES localizations (id),
    incident_id TEXT NOT NULL REFERENCES incidents (id),
    target TEXT NOT NULL,
    status TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    owner TEXT NOT NULL DEFAULT '',
    lease_until INTEGER NOT NULL DEFAULT 0,
    token INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    at INTEGER NOT NULL,
    UNIQUE (localization_id, target)
);
CREATE INDEX deliveries_to_do ON deliveries (target, seq) WHERE status = 'queued';
CREATE INDEX deliveries_by_incident ON deliveries (incident_id);
CREATE INDEX incidents_by_time ON incidents (tenant, status, opened_at);
CREATE INDEX incidents_to_forget ON incidents (heard_at) WHERE status = 'resolved';
CREATE INDEX localizations_running ON localizations (tenant, lease_until) WHERE status = 'running';
CREATE INDEX changes_by_time ON changes (time)
"""

QUEUED_AT = """
ALTER TABLE deliveries ADD COLUMN queued_at INTEGER NOT NULL DEFAULT 0;
UPDATE deliveries SET queued_at = at
"""

ALERTS_BY_TIME = """
DROP INDEX alerts_by_service;
CREATE INDEX alerts_by_service ON alerts (tenant, service, starts_at)
"""

BY_STATUS = """
DROP INDEX localizations_to_do;
DROP INDEX localizations_running;
CREATE INDEX localizations_by_status ON localizations (status, priority DESC, seq);
DROP INDEX incidents_to_forget;
CREATE INDEX incidents_to_forget ON incidents (status, opened_at)
"""
"""That of the jobs was of those to do only, which SQLite does not see where a question names one status. An incident's
opening does not change, as the last word of it does: so who speaks of it again has no index to keep.
"""

SINCE = """
ALTER TABLE localizations ADD COLUMN since INTEGER;
ALTER TABLE incidents ADD COLUMN truncated INTEGER NOT NULL DEFAULT 0
"""

MIGRATIONS: tuple[str, ...] = (FIRST, TRACEPARENT, DELIVERIES, QUEUED_AT, ALERTS_BY_TIME, BY_STATUS, SINCE)


def migrate(connection: sqlite3.Connection, migrations: tuple[str, ...] = MIGRATIONS) -> None:
    """Take the steps that the file lacks, all or none of them. Safe where several processes start at once.

    Raises `StoreError` for a file that a newer hypocenter wrote, or something else altogether.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > len(migrations):
            raise StoreError(f"has schema {version}, this hypocenter knows up to {len(migrations)}: run the newer one")
        if version == 0 and (table := connection.execute("SELECT name FROM sqlite_schema LIMIT 1").fetchone()):
            raise StoreError(f"is a database of something else: it has {table[0]}, and no schema version")
        for script in migrations[version:]:
            for statement in script.split(";\n"):  # not executescript: it would commit first
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
