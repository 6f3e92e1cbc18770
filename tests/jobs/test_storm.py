"""A storm: many groups, told again and again and in any order, become as many incidents as there are reasons."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from service.domain.alert import Alert
from service.jobs.grouping import Notification
from service.jobs.kin import Kin
from service.jobs.records import IncidentQuery, IncidentRecord, JobStatus
from service.jobs.sqlite import SqliteStore

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
CHAIN = 4
"""Services of one call path: each of them has a group of its own, and all of them alert for one reason."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def group(service: str, alerts: int) -> Notification:
    labels = {"service": service, "severity": "critical"}
    told = [
        Alert(f"{service} {n}", NOW + timedelta(seconds=n), None, {**labels, "pod": f"{service}-{n}"})
        for n in range(alerts)
    ]
    return Notification("", f"group of {service}", tuple(told))


async def all_incidents(store: SqliteStore) -> list[IncidentRecord]:
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
async def test_a_storm_becomes_one_incident_for_each_reason(tmp_path: Path, reasons: int, alerts: int) -> None:
    services = [[f"s{n}-{depth}" for depth in range(CHAIN)] for n in range(reasons)]
    kin = Kin.of((chain[depth], chain[depth + 1]) for chain in services for depth in range(CHAIN - 1))
    groups = [group(service, alerts) for chain in services for service in chain]
    told = groups * 2
    Random(7).shuffle(told)
    store = SqliteStore(tmp_path / "store.sqlite")
    try:
        await asyncio.gather(*(store.accept(notification, NOW, kin) for notification in told))
        incidents = await all_incidents(store)
        backlog = await store.backlog(NOW)
    finally:
        await store.close()
    pairs = [pair for incident in incidents for pair in incident.pairs]
    assert len(pairs) == len(set(pairs)) == CHAIN * reasons * alerts
    assert sorted(sorted(incident.services) for incident in incidents) == sorted(map(sorted, services))
    assert backlog.counts[JobStatus.QUEUED] == reasons
