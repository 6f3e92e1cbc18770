import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from service.domain.alert import Alert
from service.errors import CallerError, StoreError
from service.jobs.grouping import Notification
from service.jobs.migrations import MIGRATIONS, migrate
from service.jobs.sqlite import SqliteStore
from service.jobs.sqlite_database import Database
from tests.waiting import LIMIT_S, until

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)

pytestmark = pytest.mark.anyio


def test_a_file_of_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(StoreError, match=f"schema {len(MIGRATIONS) + 1}"):
        SqliteStore(path)


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match=r"store\.sqlite"):
        SqliteStore(path)


def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")
    with pytest.raises(StoreError, match=r"store\.sqlite: is a database of something else: it has bookmarks"):
        SqliteStore(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("bookmarks",)]


def test_a_directory_is_refused_as_one(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a directory, should be a file"):
        SqliteStore(tmp_path)


def test_a_migration_that_breaks_leaves_the_file_as_it_was() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, ("CREATE TABLE a (x)",))
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, ("CREATE TABLE a (x)", "CREATE TABLE b (x);\nCREATE TABLE a (x)"))
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("a",)]
    connection.close()


def test_a_file_is_brought_from_version_to_version() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, ("CREATE TABLE a (x)",))
    connection.execute("INSERT INTO a VALUES (7)")
    migrate(connection, ("CREATE TABLE a (x)", "ALTER TABLE a ADD COLUMN y DEFAULT 8"))
    assert connection.execute("SELECT x, y FROM a").fetchall() == [(7, 8)]
    connection.close()


async def test_a_write_that_is_refused_does_not_undo_its_neighbours(tmp_path: Path) -> None:
    database = Database(tmp_path / "store.sqlite", timeout_s=LIMIT_S)

    def good(connection: sqlite3.Connection) -> int:
        return connection.execute("INSERT INTO checks VALUES (hex(randomblob(8)), 0)").rowcount

    def refused(connection: sqlite3.Connection) -> int:
        connection.execute("INSERT INTO checks VALUES ('refused', 0)")
        raise CallerError("no")

    works = [good, refused, good, good, refused]
    results = await asyncio.gather(*(database.write(work) for work in works), return_exceptions=True)
    rows = await database.read(lambda connection: connection.execute("SELECT name FROM checks").fetchall())
    await database.close()
    assert [isinstance(result, CallerError) for result in results] == [False, True, False, False, True]
    assert len(rows) == 3
    assert "refused" not in {row["name"] for row in rows}


async def test_a_write_that_breaks_is_told_and_the_next_one_works(tmp_path: Path) -> None:
    database = Database(tmp_path / "store.sqlite", timeout_s=LIMIT_S)
    with pytest.raises(StoreError, match="no such table"):
        await database.write(lambda connection: connection.execute("INSERT INTO absent VALUES (1)").rowcount)
    with pytest.raises(OverflowError):
        await database.write(lambda connection: connection.execute("SELECT ?", (1 << 80,)).fetchone())
    await database.write(lambda connection: connection.execute("INSERT INTO checks VALUES ('a', 0)").rowcount)
    await database.close()


async def test_a_locked_file_is_an_error_and_not_a_wait_without_end(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.sqlite", timeout_s=0.2)
    other = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError):
        await store.check()
    other.execute("ROLLBACK")
    other.close()
    await until(partial(is_well, store))
    await store.close()


async def is_well(store: SqliteStore) -> bool:
    try:
        await store.check()
    except StoreError:
        return False
    return True


async def test_writes_that_come_together_share_a_commit(tmp_path: Path) -> None:
    database = Database(tmp_path / "store.sqlite", timeout_s=LIMIT_S)
    commits = 0
    release = threading.Event()

    def count(statement: str) -> None:
        nonlocal commits
        commits += statement == "COMMIT"

    def first(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(count)
        release.wait(LIMIT_S)

    def insert(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO checks VALUES (hex(randomblob(8)), 0)")

    writes = [asyncio.create_task(database.write(work)) for work in (first, *[insert] * 50)]
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(*writes)
    rows = await database.read(lambda connection: connection.execute("SELECT count(*) FROM checks").fetchone())
    await database.close()
    assert rows[0] == 50
    assert commits <= 3


_ACCEPT_AND_DIE = """
import asyncio, os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from service.domain.alert import Alert
from service.jobs.grouping import Notification
from service.jobs.sqlite import SqliteStore

async def main():
    now = datetime(2026, 3, 4, tzinfo=UTC)
    store = SqliteStore(Path(sys.argv[1]))
    await store.accept(Notification("", "g", (Alert("f", now, None, {"service": "cart"}),)), now)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_what_was_accepted_survives_a_kill_right_after(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    died = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", _ACCEPT_AND_DIE, str(path)], timeout=LIMIT_S)
    assert died.returncode < 0
    store = SqliteStore(path)
    claim = await store.claim("w", 10, NOW)
    await store.close()
    assert claim is not None
    assert claim.incident.alerts[0].service == "cart"


async def test_two_stores_on_one_file_see_each_other(tmp_path: Path) -> None:
    one, two = SqliteStore(tmp_path / "store.sqlite"), SqliteStore(tmp_path / "store.sqlite")
    notification = Notification("", "g", (Alert("f", NOW, None, {"service": "cart"}),))
    (first,), (second,) = await asyncio.gather(one.accept(notification, NOW), two.accept(notification, NOW))
    claims = await asyncio.gather(one.claim("one", 10, NOW), two.claim("two", 10, NOW))
    await one.close()
    await two.close()
    assert first.incident_id == second.incident_id
    assert sum(claim is not None for claim in claims) == 1
