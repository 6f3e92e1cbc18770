"""What the SQLite store lets go of."""

import json
import sqlite3
from datetime import datetime, timedelta

from service.jobs.store import FORGET_AT_ONCE, SILENT_S
from service.jobs.times import to_us

_FORGETTABLE = """
SELECT id FROM incidents i
WHERE ((status = 'resolved' AND opened_at < :since AND heard_at < :since)
OR (status = 'open' AND opened_at < :silent_since AND heard_at < :silent_since)
OR (+status = 'resolved' AND seq <= (SELECT max(seq) FROM incidents) - :keep_count))
AND NOT EXISTS (SELECT 1 FROM localizations WHERE incident_id = i.id AND status IN ('queued', 'running'))
AND NOT EXISTS (SELECT 1 FROM deliveries WHERE incident_id = i.id AND status = 'queued')
LIMIT :most
"""
"""Each way to be forgotten by an index of its own; nobody speaks of an incident before it opened. The ``+`` keeps the
last from going through all that are resolved.
"""


def forget(connection: sqlite3.Connection, now: datetime, keep_s: float, keep_count: int) -> int:
    """Delete incidents that are over and old or too many, with all that is theirs, and old changes."""
    since, silent_since = (to_us(now - timedelta(seconds=s)) for s in (keep_s, max(keep_s, SILENT_S)))
    bounds = {"since": since, "silent_since": silent_since, "keep_count": keep_count, "most": FORGET_AT_ONCE}
    rows = connection.execute(_FORGETTABLE, bounds).fetchall()
    ids = json.dumps([row["id"] for row in rows])
    theirs = "(SELECT value FROM json_each(?))"
    of_localizations = f"localization_id IN (SELECT id FROM localizations WHERE incident_id IN {theirs})"  # noqa: S608
    for table, condition in (
        ("steps", of_localizations),
        ("verdicts", of_localizations),
        ("deliveries", f"incident_id IN {theirs}"),
        ("localizations", f"incident_id IN {theirs}"),
        ("alerts", f"incident_id IN {theirs}"),
        ("incidents", f"id IN {theirs}"),
    ):
        connection.execute(f"DELETE FROM {table} WHERE {condition}", (ids,))  # noqa: S608 (constants)
    connection.execute("DELETE FROM changes WHERE time < ?", (since,))
    return len(rows)
