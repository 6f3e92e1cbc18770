"""A process whose store goes away and comes back: all of it notices, and one line is said."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from pathlib import Path

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
from tests.running import Part, at_work

PATIENCE_S = 60
NEVER_S = 86_400.0
TRIES_S = 3.0
"""In so long every part has tried more than once."""

pytestmark = pytest.mark.anyio


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


Parts = Callable[[Outage], list[Part]]


@pytest.fixture
async def store(server: RealServer) -> AsyncIterator[RedisStore]:
    opened = RedisStore(Address.of(server.url), timeout_s=1.0)
    yield opened
    await opened.close()


@pytest.fixture
def parts(store: RedisStore, synthetic_case: CaseFactory) -> Parts:
    """All that asks the store in a process."""
    case, meters = synthetic_case(), Meters()
    bench = Bench(case.telemetry, None, RankedBy.FUSED, Budget(), 30.0, 10.0)
    windows, targets = RecordedWindows(case.incident), [Target("a", Nobody()), Target("b", Nobody())]

    def made(outage: Outage) -> list[Part]:
        worker = Worker(store, bench, windows, Pace(at_once=4, drain_s=NEVER_S), meters, tracer(), outage=outage)
        courier = Courier(store, targets, Patience(drain_s=NEVER_S), meters, outage=outage)
        return [worker, courier, Retention(store, NEVER_S, 1000, 0.05, outage)]

    return made


async def test_one_line_tells_that_the_store_is_gone_and_one_that_it_is_back(
    server: RealServer, parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with at_work(*parts(Outage())):
        server.kill()
        await until_said(caplog, "cannot be used")
        await asyncio.sleep(TRIES_S)
        server.start()
        await until_said(caplog, "can be used again")
    told = [record for record in caplog.records if "changes of others are seen late" not in record.getMessage()]
    assert [record.levelname for record in told] == ["ERROR", "INFO"]


async def test_who_waits_for_a_store_that_is_gone_can_be_stopped(server: RealServer, parts: Parts) -> None:
    class Endless(Outage):
        def failed(self, suffers: str, error: StoreError) -> float:
            noticed.set()
            return NEVER_S

    noticed = asyncio.Event()
    server.kill()
    async with asyncio.timeout(PATIENCE_S), at_work(*parts(Endless())):
        await noticed.wait()
