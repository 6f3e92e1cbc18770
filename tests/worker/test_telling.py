import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from service.agent.answering import Bench
from service.agent.budget import Budget
from service.domain.alert import Alert
from service.domain.localization import Localization, RankedBy
from service.jobs.grouping import Notification
from service.jobs.records import Claim
from service.jobs.sqlite import SqliteStore
from service.telemetry import Meters, tracer
from service.view.windows import RecordedWindows
from service.worker import Pace, Worker
from tests.conftest import CaseFactory
from tests.waiting import LIMIT_S

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.anyio
async def test_with_an_answer_its_deliveries_are_queued_to_those_who_want_it(
    store: SqliteStore, synthetic_case: CaseFactory
) -> None:
    case, stopping = synthetic_case(), asyncio.Event()

    def tell(claim: Claim, said: Localization) -> Sequence[str]:
        stopping.set()
        return [f"who hears of {claim.localization.id}", f"who wants {len(said.causes)} causes"]

    bench = Bench(case.telemetry, None, RankedBy.STATISTICAL, Budget(), LIMIT_S, LIMIT_S)
    alert = Alert("f", NOW, None, {"service": "cart"})
    (receipt,) = await store.accept(Notification("", "g", (alert,)), NOW)
    worker = Worker(store, bench, RecordedWindows(case.incident), Pace(drain_s=LIMIT_S), Meters(), tracer(), tell=tell)
    await asyncio.wait_for(worker.run(stopping), LIMIT_S)
    told = [delivery.target for delivery in await store.deliveries("", receipt.localization_id)]
    assert told[0] == f"who hears of {receipt.localization_id}"
    assert len(told) == 2
