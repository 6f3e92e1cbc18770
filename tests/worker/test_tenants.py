"""Each incident sees what its tenant may see: of telemetry, and of what hypocenter was told."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from service.agent.answering import Bench
from service.agent.budget import Budget
from service.app import with_told_changes
from service.domain.alert import Alert
from service.domain.localization import RankedBy
from service.jobs.grouping import Notification
from service.jobs.records import Change, JobStatus
from service.jobs.sqlite import SqliteStore
from service.ports import Telemetry
from service.telemetry import Meters, tracer
from service.view.windows import RecordedWindows
from service.worker import Pace, Worker
from tests.conftest import CaseFactory
from tests.running import at_work
from tests.waiting import LIMIT_S
from tests.worker.test_worker import until

pytestmark = pytest.mark.anyio


async def test_no_incident_sees_what_another_tenant_told(store: SqliteStore, synthetic_case: CaseFactory) -> None:
    case, lent = synthetic_case(), dict[str, Telemetry]()

    @asynccontextmanager
    async def telemetry_of(tenant: str) -> AsyncGenerator[Telemetry]:
        lent[tenant] = with_told_changes(replace(case.telemetry, changes=None), store, tenant)
        yield lent[tenant]

    bench = Bench(Telemetry(), None, RankedBy.STATISTICAL, Budget(), LIMIT_S, LIMIT_S)
    worker = Worker(store, bench, RecordedWindows(case.incident), Pace(), Meters(), tracer(), telemetry_of)
    service, began = case.incident.alerts[0].service, case.incident.alerts[0].starts_at
    for tenant in ("shop", "bank"):
        await store.add_changes(tenant, [Change(began, service, "deploy", f"release of {tenant}")])
    async with at_work(worker):
        for tenant in ("shop", "bank"):
            notification = Notification(tenant, "g", (Alert("f", began, None, {"service": service}),))
            (receipt,) = await store.accept(notification, datetime.now(UTC))
            await until(store, receipt.localization_id, JobStatus.DONE, tenant=tenant)
    for tenant, telemetry in lent.items():
        assert telemetry.changes is not None
        seen = await telemetry.changes.changes(case.incident.window)
        assert seen.column("summary").to_pylist() == [f"release of {tenant}"]
    assert sorted(lent) == ["bank", "shop"]
