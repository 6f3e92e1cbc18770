import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pytest

import service.agent
from service.agent.answering import Bench
from service.agent.budget import Budget
from service.domain.alert import Alert
from service.domain.localization import ModelIdentity, RankedBy
from service.domain.window import Window
from service.jobs.changes import ToldChanges
from service.jobs.grouping import Notification
from service.jobs.records import Change, JobStatus, Lease, LocalizationRecord, Question
from service.jobs.sqlite import SqliteStore
from service.llm.rules import RulesModel
from service.ports import ChatModel, ChatReply, ChatRequest, Telemetry
from service.telemetry import Meters, tracer
from service.view.windows import RecordedWindows, Sighting
from service.worker import Pace, Worker
from tests.conftest import CaseFactory
from tests.running import at_work
from tests.waiting import LIMIT_S
from tests.waiting import until as until_true

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
PATIENCE_S = LIMIT_S
SCHEMA = json.loads((Path(service.agent.__file__).parent / "localization.schema.json").read_text())

pytestmark = pytest.mark.anyio


class SilentModel:
    """A model that never answers, and says when it was asked."""

    rendering = "aliases"
    identity = ModelIdentity("silent")

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def reply(self, requests: Sequence[ChatRequest], timeout_s: float) -> list[ChatReply]:
        self.asked.set()
        await asyncio.Event().wait()
        return []


class BrokenTraces:
    """A trace store with a bug."""

    async def spans(self, window: Window, alerting: Sequence[str] = (), traces: Sequence[str] = ()) -> pa.Table:
        raise RuntimeError(f"a bug\nin two lines, \x1b[2Jseen in {window.start:%Y}")


@pytest.fixture
def make_worker(store: SqliteStore, synthetic_case: CaseFactory) -> "MakeWorker":
    return MakeWorker(store, synthetic_case)


class MakeWorker:
    """Makes workers on a synthetic case."""

    def __init__(self, store: SqliteStore, synthetic_case: CaseFactory) -> None:
        self.store = store
        self.case = synthetic_case()

    def __call__(
        self, model: ChatModel | None = None, telemetry: Telemetry | None = None, pace: Pace | None = None
    ) -> Worker:
        bench = Bench(telemetry or self.case.telemetry, model, RankedBy.FUSED, Budget(), PATIENCE_S, PATIENCE_S)
        windows = RecordedWindows(self.case.incident)
        return Worker(self.store, bench, windows, pace or Pace(), Meters(), tracer())


async def told(store: SqliteStore, service: str = "cart") -> str:
    """An alert is accepted; the id of its localization."""
    alert = Alert(f"f-{service}", NOW, None, {"service": service})
    (receipt,) = await store.accept(Notification("", f"group of {service}", (alert,)), NOW)
    return receipt.localization_id


async def until(store: SqliteStore, id_: str, *statuses: JobStatus, tenant: str = "") -> LocalizationRecord:
    """The localization once it has one of these statuses."""
    async with asyncio.timeout(PATIENCE_S):
        with store.watch(id_) as watch:
            while True:
                found = await store.localization(tenant, id_)
                assert found is not None
                if found.status in statuses:
                    return found
                await watch.next(1)


def answer_of(record: LocalizationRecord) -> dict[str, Any]:
    answer = json.loads(record.result)
    jsonschema.validate(answer, SCHEMA)
    return answer


async def test_an_accepted_alert_is_answered_with_its_steps(store: SqliteStore, make_worker: MakeWorker) -> None:
    id_ = await told(store)
    async with at_work(make_worker(RulesModel())):
        record = await until(store, id_, JobStatus.DONE)
    answer = answer_of(record)
    steps = await store.steps("", id_, -1)
    assert (answer["id"], answer["incident_id"]) == (id_, record.incident_id)
    assert answer["causes"]
    assert [step.number for step in steps] == list(range(answer["usage"]["turns"]))
    assert [json.loads(step.body)["number"] for step in steps] == [step.number for step in steps]
    assert await store.transcript("", id_) is not None
    assert await store.graph("", id_) is not None


async def test_what_its_sender_left_out_stands_in_the_answer_s_notes(
    store: SqliteStore, make_worker: MakeWorker
) -> None:
    alert = Alert("f-cart", NOW, None, {"service": "cart"})
    (receipt,) = await store.accept(Notification("", "g", (alert,), truncated=12), NOW)
    async with at_work(make_worker()):
        answer = answer_of(await until(store, receipt.localization_id, JobStatus.DONE))
    assert [note for note in answer["notes"] if "left 12 out" in note]


async def test_without_a_model_the_statistical_rank_answers(store: SqliteStore, make_worker: MakeWorker) -> None:
    id_ = await told(store)
    async with at_work(make_worker()):
        answer = answer_of(await until(store, id_, JobStatus.DONE))
    assert (answer["ranked_by"], answer["model"]) == ("statistical", None)


async def test_several_workers_answer_each_localization_once(store: SqliteStore, make_worker: MakeWorker) -> None:
    ids = [await told(store, f"s{n}") for n in range(6)]
    async with at_work(make_worker(), make_worker()):
        records = [await until(store, id_, JobStatus.DONE) for id_ in ids]
    assert [record.attempts for record in records] == [1] * 6


async def test_a_silent_model_costs_the_deadline_and_not_the_answer(
    store: SqliteStore, make_worker: MakeWorker
) -> None:
    alert = Alert("f", NOW, None, {"service": "cart"})
    receipt = await store.ask("", Question((alert,), deadline_s=1.0), NOW)
    async with at_work(make_worker(SilentModel())):
        answer = answer_of(await until(store, receipt.localization_id, JobStatus.DONE))
    assert answer["causes"]
    assert answer["stop"] in {"out_of_time", "model_down"}


async def test_a_cancelled_localization_makes_room_for_the_next(store: SqliteStore, make_worker: MakeWorker) -> None:
    model = SilentModel()
    first, second = await told(store, "a"), await told(store, "b")
    async with at_work(make_worker(model, pace=Pace(at_once=1, lease_s=0.3, drain_s=0))):
        await asyncio.wait_for(model.asked.wait(), PATIENCE_S)
        await store.cancel("", first, NOW)
        await until(store, second, JobStatus.RUNNING)
    assert (await until(store, first, JobStatus.CANCELLED)).result == ""


async def test_a_lease_is_kept_for_as_long_as_the_work_takes(
    store: SqliteStore, make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    renew, lease_s, renewed = store.renew, 0.3, list[datetime]()

    async def noted(lease: Lease, lease_s: float, now: datetime) -> None:
        await renew(lease, lease_s, now)
        renewed.append(now)

    monkeypatch.setattr(store, "renew", noted)
    id_ = await told(store)
    async with at_work(make_worker(SilentModel(), pace=Pace(lease_s=lease_s, drain_s=0))):
        await until_true(lambda: len(renewed) > 3)  # the first lease is over by then
        nearly_over = renewed[-1] + timedelta(seconds=0.9 * lease_s)
        assert await store.claim("another", 1, nearly_over) is None
        assert (await until(store, id_, JobStatus.RUNNING)).attempts == 1


async def test_what_is_under_way_is_handed_back_when_the_worker_is_told_to_stop(
    store: SqliteStore, make_worker: MakeWorker
) -> None:
    model = SilentModel()
    id_ = await told(store)
    async with at_work(make_worker(model, pace=Pace(drain_s=0))):
        await asyncio.wait_for(model.asked.wait(), PATIENCE_S)
    assert (await until(store, id_, JobStatus.QUEUED)).attempts == 0
    async with at_work(make_worker()):
        assert (await until(store, id_, JobStatus.DONE)).attempts == 1


async def test_a_bug_is_kept_with_its_localization_and_does_not_stop_the_worker(
    store: SqliteStore, make_worker: MakeWorker
) -> None:
    broken = replace(make_worker.case.telemetry, traces=BrokenTraces())
    first = await told(store, "a")
    async with at_work(make_worker(telemetry=broken, pace=Pace(at_once=1, retry_s=0.01))):
        record = await until(store, first, JobStatus.FAILED)
        assert record.error.startswith("RuntimeError: a bug in two lines, \ufffd[2Jseen")
        await until(store, await told(store, "b"), JobStatus.RUNNING, JobStatus.FAILED)


async def test_an_alert_of_today_is_told_in_the_time_of_the_recorded_case(make_worker: MakeWorker) -> None:
    case = make_worker.case.incident
    alert = Alert("f", NOW, None, {"service": "cart"})
    incident = RecordedWindows(case).incident(Sighting("inc", "t", (alert,)), NOW)
    assert (incident.id, incident.tenant, incident.window) == ("inc", "t", case.window)
    assert (incident.alerted_at, incident.alerting_services) == (case.alerted_at, ("cart",))


async def test_a_change_that_was_told_is_seen_beside_those_of_another_source(store: SqliteStore) -> None:
    window = Window(NOW, NOW.replace(hour=9))
    await store.add_changes("", [Change(NOW, "cart", "deploy", "cart 1.2")])
    alone = await ToldChanges(store, "").changes(window)
    beside = await ToldChanges(store, "", ToldChanges(store, "")).changes(window)
    assert alone.to_pylist() == [{"time": NOW, "service": "cart", "kind": "deploy", "summary": "cart 1.2"}]
    assert (beside.schema, beside.num_rows) == (alone.schema, 2)
