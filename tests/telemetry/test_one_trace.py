"""From the alert to its answer: one trace, whoever works on it."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

from service.agent.answering import Bench
from service.agent.budget import Budget
from service.domain.localization import RankedBy
from service.gateway.context import Check, Gateway
from service.gateway.web import web_app
from service.jobs.measured import measured
from service.jobs.sqlite import SqliteStore
from service.jobs.store import IncidentStore
from service.llm.measured import MeasuredModel
from service.llm.rules import RulesModel
from service.stores.embedded.decoded import Acceptable
from service.stores.embedded.spans import decode_spans
from service.telemetry import Meters, exporting, tracer
from service.view.windows import RecordedWindows
from service.worker import Pace, Worker
from tests.conftest import CaseFactory
from tests.gateway.conftest import alertmanager_body
from tests.telemetry.receiver import Receiver, hanging, receiving
from tests.telemetry.traces import named, tree
from tests.waiting import LIMIT_S

PATIENCE_S = LIMIT_S
TRACE = "0a" * 16
CALLER = "0b" * 8
HEADERS = {"traceparent": f"00-{TRACE}-{CALLER}-01"}

pytestmark = pytest.mark.anyio


class House:
    """A gateway and a worker of two processes, as far as traces are concerned: they share nothing but the store."""

    def __init__(self, store: SqliteStore, case_factory: CaseFactory) -> None:
        self.meters = Meters()
        self.store: IncidentStore = measured(store, self.meters)
        self.case = case_factory()

    def client(self, tracer: Tracer) -> httpx.AsyncClient:
        gateway = Gateway(self.store, self.meters, self._fine, "rules", tracer=tracer, longest_wait_s=LIMIT_S)
        return httpx.AsyncClient(transport=httpx.ASGITransport(web_app(gateway, "0")), base_url="http://localhost")

    def worker(self, tracer: Tracer, *, content: bool = False) -> Worker:
        model = MeasuredModel(RulesModel(), "hypocenter", self.meters, content=content)
        bench = Bench(self.case.telemetry, model, RankedBy.FUSED, Budget(), 2 * LIMIT_S, LIMIT_S)
        return Worker(self.store, bench, RecordedWindows(self.case.incident), Pace(), self.meters, tracer)

    async def answered(self, gateways: Tracer, workers: Tracer, *, content: bool = False) -> dict[str, Any]:
        """The answer to an alert that came with a trace."""
        stopping = asyncio.Event()
        (alerting, *_) = self.case.incident.alerting_services
        async with asyncio.TaskGroup() as group, self.client(gateways) as client:
            group.create_task(self.worker(workers, content=content).run(stopping))
            taken = (await client.post("/v1/alerts", json=alertmanager_body(alerting), headers=HEADERS)).json()
            answer = await client.get(f"/v1/localizations/{taken['localization_id']}", params={"wait_s": PATIENCE_S})
            stopping.set()
        return answer.json()

    async def _fine(self) -> Check:
        return Check(ok=True, found="a source made for the test")


@pytest.fixture
async def house(tmp_path: Path, synthetic_case: CaseFactory) -> AsyncIterator[House]:
    store = SqliteStore(tmp_path / "store.sqlite")
    yield House(store, synthetic_case)
    await store.close()


async def test_an_alert_and_its_answer_are_one_trace_across_processes(house: House) -> None:
    gateways, workers = InMemorySpanExporter(), InMemorySpanExporter()
    assert (await house.answered(tracer(gateways), tracer(workers)))["status"] == "done"
    assert tree(gateways.get_finished_spans(), int(CALLER, 16)) == ["POST /v1/alerts", "  store accept"]
    server = named(gateways, "POST /v1/alerts")
    assert server.context is not None
    lines = tree(workers.get_finished_spans(), server.context.span_id)
    outer = [line for line in lines if not line.startswith("  ") and line != "store renew"]  # which takes its time
    assert outer == ["queue", "invoke_agent hypocenter"]
    inner = {line.strip() for line in lines if line.startswith("  ") and line[2] != " "}
    assert {"fetch traces", "fetch logs", "fetch metrics", "chat rules", "store finish"} <= inner
    assert any(line.startswith("execute_tool search_") for line in inner)
    spans = (*gateways.get_finished_spans(), *workers.get_finished_spans())
    assert {f"{span.context.trace_id:032x}" for span in spans if span.context} == {TRACE}


async def test_prompts_stay_out_of_traces_unless_they_are_asked_for(house: House) -> None:
    shut, open_ = InMemorySpanExporter(), InMemorySpanExporter()
    await house.answered(tracer(), tracer(shut))
    assert not any(span.events for span in shut.get_finished_spans())
    assert not any("messages" in name for span in shut.get_finished_spans() for name in span.attributes or {})
    async with house.client(tracer()) as client:
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(house.worker(tracer(open_), content=True).run(stopping))
            body = {"alerts": alertmanager_body("cart")["alerts"]}
            asked = await client.post("/v1/localizations", json=body, params={"wait_s": PATIENCE_S}, headers=HEADERS)
            stopping.set()
    assert asked.json()["status"] == "done"
    events = [event for span in open_.get_finished_spans() if span.name == "chat rules" for event in span.events]
    assert {event.name for event in events} == {"gen_ai.client.inference.operation.details"}
    shown = [json.loads(str((event.attributes or {})["gen_ai.input.messages"])) for event in events]
    assert {message["role"] for messages in shown for message in messages} >= {"system", "user", "tool"}


async def test_a_collector_receives_it_by_otlp(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as collector:
        _only(monkeypatch, OTEL_BSP_SCHEDULE_DELAY="50", OTEL_SERVICE_NAME="somebody-else")
        with exporting(collector.url, "1.2.3") as traced:
            await house.answered(traced, traced)
            await asyncio.to_thread(collector.until, "invoke_agent hypocenter", PATIENCE_S)
        assert collector.services == {"hypocenter"}  # whatever the environment says: by it we leave out what is our own
        now = Acceptable.at(datetime.now(UTC), timedelta(days=1))
        assert [decode_spans(sent, now).table.num_rows for sent in collector.requests] == [0] * len(collector.requests)
        assert _roots(collector) == ["POST /v1/alerts"]
        assert {span.trace_id.hex() for span in collector.spans} == {TRACE}


async def test_a_collector_that_hangs_holds_up_no_incident_and_no_exit(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    _only(monkeypatch, OTEL_BSP_SCHEDULE_DELAY="10", OTEL_EXPORTER_OTLP_TIMEOUT="30")
    with hanging() as url, exporting(url) as traced:
        assert (await house.answered(traced, traced))["status"] == "done"


async def test_metrics_and_log_lines_know_what_happened(house: House) -> None:
    await house.answered(tracer(), tracer())
    text = house.meters.exposition().decode()
    for line in (
        'hypocenter_alerts_total{status="firing"} 1.0',
        'hypocenter_incident_notifications_total{outcome="localized"} 1.0',
        "hypocenter_queue_wait_seconds_count 1.0",
        'hypocenter_localizations_total{ranked_by="fused",status="done",stop="answered"} 1.0',
        'hypocenter_store_operation_duration_seconds_count{operation="accept"} 1.0',
        'gen_ai_request_model="rules",gen_ai_token_type="input"',
    ):
        assert line in text, text


def _roots(collector: Receiver) -> list[str]:
    return [line for line in collector.tree() if not line.startswith(" ")]


def _only(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """The environment's own OpenTelemetry variables would change what is tested."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
