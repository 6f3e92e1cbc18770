"""The worker while the model is busy, slow, in trouble or used up: whoever waits sees what the statistics say."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from service.agent.answering import Bench
from service.agent.budget import Budget
from service.breaker import Breaker
from service.consultation import Consultation
from service.domain.alert import Alert
from service.domain.localization import ModelIdentity, RankedBy
from service.jobs.grouping import Notification
from service.jobs.lateness import Lateness
from service.jobs.records import JobStatus, LocalizationRecord
from service.jobs.sqlite import SqliteStore
from service.llm.admission import Admission
from service.llm.allowance import Allowance
from service.llm.fake_server import FakeServer, Mood
from service.llm.guarded import GuardedModel
from service.llm.openai import OpenAIModel
from service.llm.rules import RulesModel
from service.llm.scripted import call
from service.llm.server import Endpoint
from service.ports import ChatModel, ChatReply, ChatRequest
from service.settings import ModelSettings
from service.telemetry import Meters, tracer
from service.view.windows import RecordedWindows
from service.wiring.storms import build_consultation
from service.worker import Pace, Worker
from tests.conftest import CaseFactory
from tests.llm.serving import served
from tests.running import at_work
from tests.worker.test_worker import NOW, PATIENCE_S, answer_of, told, until

pytestmark = pytest.mark.anyio

SOON_S = 0.01
LONG_S = 600.0


class HeldModel:
    """A model written by hand that thinks until it is let go."""

    rendering = "aliases"
    identity = ModelIdentity("held")

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self._rules = RulesModel()

    async def reply(self, requests: Sequence[ChatRequest], timeout_s: float) -> list[ChatReply]:
        await self.let_go.wait()
        return await self._rules.reply(requests, timeout_s)


class Making:
    """Makes a worker that looks at one incident at a time."""

    def __init__(self, store: SqliteStore, synthetic_case: CaseFactory) -> None:
        self.store = store
        self.case = synthetic_case()
        self.meters = Meters()

    def __call__(self, model: ChatModel, settings: ModelSettings, pace: Pace | None = None) -> Worker:
        return self.with_consultation(model, build_consultation(settings, model, self.meters), Budget(), pace)

    def with_consultation(
        self, model: ChatModel, consultation: Consultation | None, budget: Budget, pace: Pace | None = None
    ) -> Worker:
        bench = Bench(self.case.telemetry, model, RankedBy.FUSED, budget, LONG_S, LONG_S)
        windows, pace = RecordedWindows(self.case.incident), pace or Pace(at_once=1, drain_s=0)
        return Worker(self.store, bench, windows, pace, self.meters, tracer(), consultation=consultation)

    def counted(self, name: str, **labels: str) -> float:
        return self.meters.registry.get_sample_value(f"hypocenter_{name}", labels) or 0.0


@pytest.fixture
def making(store: SqliteStore, synthetic_case: CaseFactory) -> Making:
    return Making(store, synthetic_case)


async def shown(store: SqliteStore, id_: str) -> LocalizationRecord:
    """The localization as soon as it has an answer, be it only an interim one."""
    async with asyncio.timeout(PATIENCE_S):
        with store.watch(id_) as watch:
            while not (found := await store.localization("", id_)) or not found.result:
                await watch.next(1)
    return found


async def resolved(store: SqliteStore, service: str) -> None:
    alert = Alert(f"f-{service}", NOW, NOW + timedelta(minutes=1), {"service": service})
    await store.accept(Notification("", f"group of {service}", (alert,)), NOW)


async def test_while_the_model_thinks_the_statistics_answer_and_then_the_model(
    store: SqliteStore, making: Making
) -> None:
    model, id_ = HeldModel(), await told(store)
    async with at_work(making(model, ModelSettings(interim_s=SOON_S))):
        interim = await shown(store, id_)
        model.let_go.set()
        final = answer_of(await until(store, id_, JobStatus.DONE))
    said = answer_of(interim)
    assert (interim.status, said["status"], said["stop"]) == (JobStatus.RUNNING, "running", None)
    assert (said["ranked_by"], said["model"]) == ("statistical", None)
    assert (final["status"], final["model"]["name"]) == ("done", "held")
    assert making.counted("interim_answers_total") == 1


async def test_who_finds_no_seat_has_a_statistical_answer_and_does_not_hold_up_the_next(
    store: SqliteStore, making: Making
) -> None:
    model = HeldModel()
    ids = [await told(store, service) for service in ("a", "b", "c")]
    async with at_work(making(model, ModelSettings(at_once=1, interim_s=SOON_S))):
        interim = [answer_of(await shown(store, id_)) for id_ in ids]
        model.let_go.set()
        final = [answer_of(await until(store, id_, JobStatus.DONE)) for id_ in ids]
    assert [answer["ranked_by"] for answer in interim] == ["statistical"] * 3
    assert [answer["model"]["name"] for answer in final] == ["held"] * 3


async def test_what_is_over_before_there_is_a_seat_keeps_its_statistical_answer(
    store: SqliteStore, making: Making
) -> None:
    model = HeldModel()
    first, second = await told(store, "a"), await told(store, "b")
    async with at_work(making(model, ModelSettings(at_once=1, interim_s=SOON_S))):
        await shown(store, first)
        await shown(store, second)
        await resolved(store, "b")
        model.let_go.set()
        answer = answer_of(await until(store, second, JobStatus.DONE))
    assert (answer["ranked_by"], answer["stop"], answer["model"]) == ("statistical", "model_busy", None)


async def test_when_too_many_wait_the_statistical_answer_is_the_last(store: SqliteStore, making: Making) -> None:
    model = HeldModel()
    first, second = await told(store, "a"), await told(store, "b")
    async with at_work(making(model, ModelSettings(at_once=1, waiting=0, interim_s=SOON_S))):
        answer = answer_of(await until(store, second, JobStatus.DONE))
        assert (await shown(store, first)).status is JobStatus.RUNNING
    assert (answer["ranked_by"], answer["stop"]) == ("statistical", "model_busy")
    assert answer["causes"]


async def test_a_tenant_that_has_used_up_its_tokens_is_answered_by_statistics(
    store: SqliteStore, making: Making
) -> None:
    first, second = await told(store, "a"), await told(store, "b")
    async with at_work(making(RulesModel(), ModelSettings(tokens_per_hour=1, interim_s=LONG_S))):
        by_model = answer_of(await until(store, first, JobStatus.DONE))
        answer = answer_of(await until(store, second, JobStatus.DONE))
    assert by_model["model"]["name"] == "rules"
    assert (answer["ranked_by"], answer["stop"]) == ("statistical", "over_budget")


@pytest.mark.parametrize(("mood", "reply_s"), [(Mood.HANG, 1.0), (Mood.ERROR, 60.0), (Mood.WRONG_JSON, 60.0)])
async def test_a_model_in_trouble_costs_one_incident_its_patience_and_is_asked_again_later(
    store: SqliteStore, making: Making, mood: Mood, reply_s: float
) -> None:
    fake = FakeServer(mood, replies=[call("search_traces", component="all")])
    now, meters = 0.0, making.meters
    with served(fake) as url:
        guarded = GuardedModel(OpenAIModel(Endpoint(url)), meters, Breaker(failures=1, rest_s=30, clock=lambda: now))
        consultation = Consultation(guarded, Admission(lambda: 0, meters), Allowance(), LONG_S, meters)
        async with at_work(making.with_consultation(guarded, consultation, Budget(reply_timeout_s=reply_s))):
            down = answer_of(await until(store, await told(store, "a"), JobStatus.DONE))
            asked = len(fake.bodies)
            alone = answer_of(await until(store, await told(store, "b"), JobStatus.DONE))
            assert (len(fake.bodies), making.counted("model_breaker", state="open")) == (asked, 1)
            fake.mood = Mood.FINE
            again = alone
            for n in range(20):  # on a busy machine an answer may be as late as that of a server that hangs
                now += 30.0
                again = answer_of(await until(store, await told(store, f"c{n}"), JobStatus.DONE))
                if again["stop"] != "model_down":
                    break
    assert [down["stop"], alone["stop"]] == ["model_down"] * 2
    assert down["causes"]
    assert again["stop"] != "model_down"
    assert again["usage"]["turns"] > 0
    assert making.counted("model_rounds_total", outcome="refused") > 0
    assert making.counted("model_rounds_total", outcome="answered") > 0


async def test_what_is_late_is_dropped_with_its_reason(store: SqliteStore, making: Making) -> None:
    late, burning = await told(store, "a"), await told(store, "b")
    await resolved(store, "a")
    pace = Pace(at_once=1, lateness=Lateness(over=timedelta(minutes=15)))
    async with at_work(making(RulesModel(), ModelSettings(interim_s=LONG_S), pace)):
        dropped = await until(store, late, JobStatus.DROPPED)
        assert answer_of(await until(store, burning, JobStatus.DONE))["causes"]
    assert "was resolved" in dropped.error
    assert making.counted("localizations_total", status="dropped", stop="", ranked_by="") == 1
