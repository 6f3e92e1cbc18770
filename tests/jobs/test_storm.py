"""A storm: many groups, told again and again and in any order, become as many incidents as there are reasons."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from service.domain.alert import Alert
from service.jobs.grouping import Notification
from service.jobs.kin import Kin
from service.jobs.records import IncidentQuery, IncidentRecord, IncidentStatus, JobStatus
from service.jobs.redis.address import Address
from service.jobs.redis.store import RedisStore
from service.jobs.sqlite import SqliteStore
from service.jobs.store import IncidentStore
from tests.redis_servers import RealServer

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SENDERS = 16
CHAIN = 4
"""Services of one call path: each of them has a group of its own, and all of them alert for one reason."""


@pytest.fixture(params=["sqlite", "valkey"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[IncidentStore]:
    opened: IncidentStore
    if request.param == "sqlite":
        opened = SqliteStore(tmp_path / "store.sqlite")
    else:
        server: RealServer = request.getfixturevalue("valkey_server")
        opened = RedisStore(Address.of(server.url), f"{secrets.token_hex(8)}:")
    yield opened
    await opened.close()


def group(service: str, alerts: int) -> Notification:
    labels = {"service": service, "severity": "critical"}
    told = [
        Alert(f"{service} {n}", NOW + timedelta(seconds=n), None, {**labels, "pod": f"{service}-{n}"})
        for n in range(alerts)
    ]
    return Notification("", f"group of {service}", tuple(told))


async def all_incidents(store: IncidentStore) -> list[IncidentRecord]:
    found: list[IncidentRecord] = []
    cursor = ""
    while True:
        page = await store.incidents(IncidentQuery(cursor=cursor, limit=200))
        found += page.incidents
        cursor = page.next_cursor
        if not cursor:
            return found


@pytest.mark.parametrize(
    ("reasons", "alerts"), [(8, 10), pytest.param(50, 50, marks=pytest.mark.slow)], ids=["short", "10000 in 200 groups"]
)
async def test_a_storm_becomes_one_incident_for_each_reason(store: IncidentStore, reasons: int, alerts: int) -> None:
    services = [[f"s{n}-{depth}" for depth in range(CHAIN)] for n in range(reasons)]
    kin = Kin.of((chain[depth], chain[depth + 1]) for chain in services for depth in range(CHAIN - 1))
    groups = [group(service, alerts) for chain in services for service in chain]
    told = groups * 2
    Random(7).shuffle(told)
    senders = asyncio.Semaphore(SENDERS)

    async def tell(notification: Notification) -> None:
        async with senders:
            await store.accept(notification, NOW, kin)

    await asyncio.gather(*map(tell, told))
    incidents = await all_incidents(store)
    backlog = await store.backlog(NOW)
    pairs = [pair for incident in incidents for pair in incident.pairs]
    assert len(pairs) == len(set(pairs)) == CHAIN * reasons * alerts
    assert sorted(sorted(incident.services) for incident in incidents) == sorted(map(sorted, services))
    assert backlog.counts[JobStatus.QUEUED] == reasons


async def test_an_alert_that_flaps_finds_its_incident_again_until_it_has_been_quiet_for_long(
    store: IncidentStore,
) -> None:
    kin, first = Kin(), group("cart", 1)
    (opened,) = await store.accept(first, NOW, kin)
    (alert,) = first.alerts
    ended = NOW + timedelta(seconds=10)
    await store.accept(replace(first, alerts=(replace(alert, ends_at=ended),)), ended, kin)
    soon, later = ended + timedelta(minutes=1), ended + timedelta(hours=1)
    (again,) = await store.accept(replace(first, alerts=(replace(alert, starts_at=soon),)), soon, kin)
    assert again == replace(opened, queued=False)
    incident = await store.incident("", opened.incident_id)
    assert incident is not None
    assert incident.status is IncidentStatus.OPEN
    over = replace(alert, starts_at=soon, ends_at=soon)
    await store.accept(replace(first, alerts=(over,)), soon, kin)
    (another,) = await store.accept(replace(first, alerts=(replace(alert, starts_at=later),)), later, kin)
    assert another.queued
    assert another.incident_id != opened.incident_id
