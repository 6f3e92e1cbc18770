"""What runs often, or in everybody's way, looks at what it is about, however much is kept beside it."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from service.domain.alert import Alert
from service.jobs.draft import Telling
from service.jobs.grouping import Notification
from service.jobs.migrations import migrate
from service.jobs.records import Ending
from service.jobs.sqlite_deliveries import abandon, claim_delivery, deliver_again, deliveries
from service.jobs.sqlite_incidents import take_in
from service.jobs.sqlite_queue import backlog, claim, finish
from service.jobs.sqlite_retention import forget

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
DAY_S = 86_400.0

Work = Callable[[sqlite3.Connection], object]

KEPT = """
INSERT INTO incidents (id, tenant, group_key, status, opened_at, heard_at) VALUES ('i', '', 'g', 'resolved', 1, 1);
INSERT INTO localizations (id, tenant, incident_id, reason, status, priority, created_at, not_before)
    VALUES ('l', '', 'i', 'asked', 'queued', 1, 1, 1);
INSERT INTO deliveries (id, tenant, localization_id, incident_id, target, status, not_before, at)
    VALUES ('d', '', 'l', 'i', 'hook', 'queued', 1, 1)
"""


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """A store in which something waits to be worked on."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        opened.row_factory = sqlite3.Row
        migrate(opened)
        opened.executescript(KEPT)
        yield opened


def plan(connection: sqlite3.Connection, work: Work) -> list[str]:
    """The steps of the statements of a piece of work."""
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    work(connection)
    connection.set_trace_callback(None)
    assert statements
    said = [text for text in statements if not text.startswith("--")]  # what a statement does by itself
    return [row["detail"] for text in said for row in connection.execute(f"EXPLAIN QUERY PLAN {text}")]


def scans(connection: sqlite3.Connection, work: Work) -> set[str]:
    """How a piece of work goes through whole tables, or through all incidents of a status."""
    steps = plan(connection, work)
    whole = [step for step in steps if step.startswith("SCAN") or step.endswith("incidents_to_forget (status=?)")]
    return {step for step in whole if "VIRTUAL TABLE" not in step}  # what we asked for, as JSON


def answer(connection: sqlite3.Connection) -> None:
    taken = claim(connection, "w", 5, NOW)
    assert taken is not None
    finish(connection, taken.lease, Ending("{}"), NOW, ["hook"])


WORKS: dict[str, Work] = {
    "forget": lambda c: forget(c, NOW, DAY_S, 100),
    "answer": answer,
    "find nothing to do": lambda c: claim(c, "w", 5, NOW - timedelta(days=30_000)),
    "take a delivery": lambda c: claim_delivery(c, "w", 5, NOW, ["hook"]),
    "look at deliveries": lambda c: deliveries(c, "", "l"),
    "deliver again": lambda c: deliver_again(c, "", "l", "hook", NOW),
}


@pytest.mark.parametrize("name", WORKS)
def test_nothing_of_this_goes_through_a_whole_table(connection: sqlite3.Connection, name: str) -> None:
    assert scans(connection, WORKS[name]) == set()


def test_a_notification_looks_at_what_it_is_about_and_not_at_all_that_waits(connection: sqlite3.Connection) -> None:
    tellings = [Telling(Notification("", "g", (Alert("f", NOW, labels={"service": "a"}),)), NOW)]
    steps = plan(connection, lambda c: take_in(c, "", tellings))
    assert any("localizations_by_incident" in step for step in steps)
    assert not [step for step in steps if "localizations_by_status" in step or step.startswith("SCAN localizations")]
    assert scans(connection, lambda c: take_in(c, "", tellings)) == set()


def test_what_nobody_takes_is_sought_among_what_waits(connection: sqlite3.Connection) -> None:
    assert scans(connection, lambda c: abandon(c, [], NOW, "nobody took it", NOW)) == {
        "SCAN deliveries USING INDEX deliveries_to_do"
    }


def test_what_there_is_to_do_is_counted_without_what_it_says(connection: sqlite3.Connection) -> None:
    assert scans(connection, lambda c: backlog(c, NOW)) == {
        "SCAN localizations USING COVERING INDEX localizations_by_status"
    }
