"""A process whose store goes away and comes back: all of it notices, and one line is said."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from service import worker
from service.agent.answering import Bench
from service.agent.budget import Budget
from service.domain.localization import RankedBy
from service.errors import StoreError
from service.jobs import retention
from service.jobs.outage import Outage
from service.jobs.redis.address import Address
from service.jobs.redis.store import RedisStore
from service.jobs.retention import Retention
from service.notify import courier
from service.notify.courier import Courier, Patience, Target
from service.notify.news import News
from service.telemetry import Meters, tracer
from service.view.windows import RecordedWindows
from service.worker import Pace, Worker
from tests.conftest import CaseFactory
from tests.redis_servers import RealServer
from tests.running import Part, at_work
from tests.waiting import LIMIT_S, until

NEVER_S = 86_400.0
SLOTS = 4
TWICE = Counter({worker.HELD_UP: 2 * SLOTS, courier.HELD_UP: 2 * 3, retention.SUFFERS: 2})
"""How often it was failed once every slot, both targets and their sweep, and forgetting have tried more than once."""

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


@dataclass(slots=True)
class Counted(Outage):
    """Knows who tried how often; to it no time passes, so that it says no second line."""

    tries: Counter[str] = field(default_factory=Counter[str])

    def failed(self, suffers: str, error: StoreError) -> float:
        self.tries[suffers] += 1
        return super(Counted, self).failed(suffers, error)


Parts = Callable[[Outage], list[Part]]


@pytest.fixture
async def store(server: RealServer) -> AsyncIterator[RedisStore]:
    opened = RedisStore(Address.of(server.url), timeout_s=LIMIT_S)
    yield opened
    await opened.close()


@pytest.fixture
def parts(store: RedisStore, synthetic_case: CaseFactory) -> Parts:
    """All that asks the store in a process."""
    case, meters = synthetic_case(), Meters()
    bench = Bench(case.telemetry, None, RankedBy.FUSED, Budget(), LIMIT_S, LIMIT_S)
    windows, targets = RecordedWindows(case.incident), [Target("a", Nobody()), Target("b", Nobody())]

    def made(outage: Outage) -> list[Part]:
        return [
            Worker(store, bench, windows, Pace(at_once=SLOTS, drain_s=NEVER_S), meters, tracer(), outage=outage),
            Courier(store, targets, Patience(drain_s=NEVER_S), meters, outage=outage),
            Retention(store, NEVER_S, 1000, 0.05, outage),
        ]

    return made


async def test_one_line_tells_that_the_store_is_gone_and_one_that_it_is_back(
    server: RealServer, parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    outage = Counted(clock=lambda: 0.0)
    async with at_work(*parts(outage)):
        server.kill()
        await until(lambda: outage.tries >= TWICE)
        server.start()
        await until(lambda: "can be used again" in caplog.text)
    told = [record for record in caplog.records if "changes of others are seen late" not in record.getMessage()]
    assert [record.levelname for record in told] == ["ERROR", "INFO"]


async def test_who_waits_for_a_store_that_is_gone_can_be_stopped(server: RealServer, parts: Parts) -> None:
    class Endless(Outage):
        def failed(self, suffers: str, error: StoreError) -> float:
            noticed.set()
            return NEVER_S

    noticed = asyncio.Event()
    server.kill()
    async with asyncio.timeout(LIMIT_S), at_work(*parts(Endless())):
        await noticed.wait()
