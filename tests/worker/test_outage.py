"""A process whose store goes away and comes back: all of it notices, and one line is said."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from service.agent.answering import Bench
from service.agent.budget import Budget
from service.domain.localization import RankedBy
from service.errors import StoreError
from service.jobs.outage import Outage
from service.jobs.redis.address import Address
from service.jobs.redis.store import RedisStore
from service.jobs.retention import Retention
from service.notify.courier import Courier, Patience, Target
from service.notify.news import News
from service.telemetry import Meters, tracer
from service.view.windows import RecordedWindows
from service.worker import Pace, Worker
from tests.conftest import CaseFactory
from tests.redis_servers import RealServer

PATIENCE_S = 60
NEVER_S = 86_400.0
TRIES_S = 3.0
"""In so long every part has tried more than once."""

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RealServer]:
    made = RealServer("valkey", tmp_path)
    yield made
    made.kill()


class Nobody:
    """A receiver that nothing is sent to."""

    async def send(self, news: News) -> datetime | None:
        raise AssertionError(news)

    async def found(self) -> str:
        return "nobody"


async def until_said(caplog: pytest.LogCaptureFixture, text: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while text not in caplog.text:  # noqa: ASYNC110 (a log line)
            await asyncio.sleep(0.01)


Run = Callable[[Outage, asyncio.Event], list[Coroutine[Any, Any, None]]]


@pytest.fixture
async def store(server: RealServer) -> AsyncIterator[RedisStore]:
    opened = RedisStore(Address.of(server.url), timeout_s=1.0)
    yield opened
    await opened.close()


@pytest.fixture
def run(store: RedisStore, synthetic_case: CaseFactory) -> Run:
    """All that asks the store in a process, as it runs until told to stop."""
    case, meters = synthetic_case(), Meters()
    bench = Bench(case.telemetry, None, RankedBy.FUSED, Budget(), 30.0, 10.0)
    windows, targets = RecordedWindows(case.incident), [Target("a", Nobody()), Target("b", Nobody())]

    def running(outage: Outage, stopping: asyncio.Event) -> list[Coroutine[Any, Any, None]]:
        worker = Worker(store, bench, windows, Pace(at_once=4, drain_s=NEVER_S), meters, tracer(), outage=outage)
        courier = Courier(store, targets, Patience(drain_s=NEVER_S), meters, outage=outage)
        retention = Retention(store, NEVER_S, 1000, 0.05, outage)
        return [part.run(stopping) for part in (worker, courier, retention)]

    return running


async def test_one_line_tells_that_the_store_is_gone_and_one_that_it_is_back(
    server: RealServer, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for part in run(Outage(), stopping):
            group.create_task(part)
        server.kill()
        await until_said(caplog, "cannot be used")
        await asyncio.sleep(TRIES_S)
        server.start()
        await until_said(caplog, "can be used again")
        stopping.set()
    told = [record for record in caplog.records if "changes of others are seen late" not in record.getMessage()]
    assert [record.levelname for record in told] == ["ERROR", "INFO"]


async def test_who_waits_for_a_store_that_is_gone_can_be_stopped(server: RealServer, run: Run) -> None:
    class Endless(Outage):
        def failed(self, suffers: str, error: StoreError) -> float:
            noticed.set()
            return NEVER_S

    noticed, stopping = asyncio.Event(), asyncio.Event()
    server.kill()
    running = asyncio.gather(*run(Endless(), stopping))
    await asyncio.wait_for(noticed.wait(), PATIENCE_S)
    stopping.set()
    await asyncio.wait_for(running, PATIENCE_S)
