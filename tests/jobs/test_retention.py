import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.domain.window import Window
from service.jobs.records import IncidentQuery, IncidentRecord, Question
from service.jobs.retention import Retention
from service.jobs.sqlite import SqliteStore
from service.jobs.store import FORGET_AT_ONCE
from tests.running import at_work
from tests.waiting import LIMIT_S, until

DAY_S = 86_400.0
NEVER_S = 86_400.0

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "store.sqlite", timeout_s=LIMIT_S)
    yield opened
    await opened.close()


async def over(store: SqliteStore, days_ago: int = 30) -> str:
    """The id of an incident that was over so long ago."""
    then = datetime.now(UTC) - timedelta(days=days_ago)
    receipt = await store.ask("", Question((), window=Window(then - timedelta(hours=1), then)), then)
    await store.cancel("", receipt.localization_id, then)
    return receipt.incident_id


async def kept(store: SqliteStore) -> tuple[IncidentRecord, ...]:
    return (await store.incidents(IncidentQuery(limit=1000))).incidents


async def until_kept(store: SqliteStore, count: int) -> None:
    """Nobody tells of what is forgotten."""

    async def are_kept() -> bool:
        return len(await kept(store)) == count

    await until(are_kept)


def forgetting(
    store: SqliteStore, keep_count: int = 1000, every_s: float = 0.01
) -> contextlib.AbstractAsyncContextManager[None]:
    return at_work(Retention(store, DAY_S, keep_count, every_s))


async def test_what_is_over_is_forgotten_as_it_becomes_old(store: SqliteStore) -> None:
    young = await over(store, days_ago=0)
    async with forgetting(store):
        for _ in range(2):
            await over(store)
            await until_kept(store, 1)
    assert [incident.id for incident in await kept(store)] == [young]


async def test_the_newest_are_kept(store: SqliteStore) -> None:
    ids = [await over(store, days_ago=0) for _ in range(3)]
    async with forgetting(store, keep_count=2):
        await until_kept(store, 2)
    assert {incident.id for incident in await kept(store)} == set(ids[1:])


async def test_however_many_are_over_all_go_at_once(store: SqliteStore) -> None:
    await asyncio.gather(*(over(store) for _ in range(FORGET_AT_ONCE + 1)))
    async with forgetting(store, every_s=NEVER_S):
        await until_kept(store, 0)


async def test_an_error_of_the_store_does_not_end_it(
    store: SqliteStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await over(store)
    hurried = SqliteStore(tmp_path / "store.sqlite", timeout_s=0.2)
    with contextlib.closing(sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with forgetting(hurried):
            await until(lambda: "nothing is forgotten" in caplog.text)
            assert len(await kept(store)) == 1
            other.execute("ROLLBACK")
            await until_kept(store, 0)
    await hurried.close()


async def test_who_is_told_to_stop_does_not_wait_for_the_next_time(store: SqliteStore) -> None:
    async with forgetting(store, every_s=NEVER_S):
        await asyncio.sleep(0)
