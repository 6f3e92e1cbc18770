"""Telemetry that really comes in, from OpenTelemetry's own SDK, and an alert about it that is answered."""

import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from service.domain.fault import Fault
from service.stores.alert_body import rfc3339
from tests.conftest import CaseFactory
from tests.gateway.conftest import alertmanager_body
from tests.service_process.conftest import HYPOCENTER, PATIENCE_S, Server, environment, servers
from tests.service_process.replay import replay
from tests.waiting import wait_until

SEED = 30
"""An incident whose cause is not the service that alerts, and stands out."""


class LiveServer(Server):
    """A ``hypocenter serve`` that exporters may send their telemetry to."""

    @property
    def telemetry(self) -> Path:
        return self.store.with_name("telemetry")

    @property
    def source(self) -> list[str]:
        return ["--telemetry", str(self.telemetry)]


@pytest.fixture
def make_live(tmp_path: Path) -> Iterator[Callable[[], LiveServer]]:
    with servers(LiveServer, tmp_path, tmp_path) as make:
        yield make


def alert_now(service: str, began: datetime) -> dict[str, object]:
    body = alertmanager_body(service)
    body["alerts"][0]["startsAt"] = rfc3339(began)
    return body


def test_an_incident_that_exporters_tell_of_is_localized(
    make_live: Callable[[], LiveServer], synthetic_case: CaseFactory
) -> None:
    case = synthetic_case(SEED, services=8, traces=120, fault=Fault.ERROR)
    (alerting,), (cause,) = case.incident.alerting_services, case.truth["causes"]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]
    assert cause["name"] != alerting
    server = make_live()
    shift = datetime.now(UTC) - case.incident.window.end
    replay(case.tables, server.url, shift)
    began = case.incident.alerted_at + shift
    taken = server.post("/v1/alerts", alert_now(alerting, began)).json()
    answer = server.ended(taken["localization_id"])
    assert answer["status"] == "done"
    assert answer["causes"][0]["component"]["name"] == cause["name"]
    assert {evidence["signal"] for evidence in answer["causes"][0]["evidence"]} <= {"traces", "logs", "metrics"}
    assert answer["causes"][0]["evidence"]


def test_a_worker_of_its_own_process_answers_from_what_a_killed_server_took_in(
    make_live: Callable[[], LiveServer], synthetic_case: CaseFactory
) -> None:
    case = synthetic_case(SEED, services=8, traces=120, fault=Fault.ERROR)
    server = make_live()
    shift = datetime.now(UTC) - case.incident.window.end
    replay(case.tables, server.url, shift)
    (alerting,) = case.incident.alerting_services
    server.post("/v1/alerts", alert_now(alerting, case.incident.alerted_at + shift))
    assert server.end(signal.SIGKILL) == -signal.SIGKILL
    options = [*server.source, "--store", server.store]
    worker = subprocess.Popen([*HYPOCENTER, "work", *options], stderr=subprocess.DEVNULL, env=environment())
    try:
        causes = answered(server.store)["causes"]
    finally:
        worker.terminate()
        assert worker.wait(PATIENCE_S) == 0
    assert any(evidence["signal"] == "traces" for cause in causes for evidence in cause["evidence"])


def answered(store: Path) -> dict[str, Any]:
    """The only localization's answer, as soon as there is one."""
    answers: list[str] = []

    def is_there() -> bool:
        with contextlib.closing(sqlite3.connect(store)) as opened:
            rows = opened.execute("SELECT result FROM localizations WHERE status = 'done'").fetchall()
        answers.extend(result for (result,) in rows)
        return bool(answers)

    wait_until(is_there)
    return json.loads(answers[0])


def test_told_to_stop_it_seals_what_it_took_in(make_live: Callable[[], LiveServer]) -> None:
    server = make_live()
    now_ns = int(datetime.now(UTC).timestamp() * 1e9)
    told = {"traceId": "0a" * 16, "spanId": "0b" * 8, "name": "get", "startTimeUnixNano": str(now_ns)}
    assert server.post("/v1/traces", {"resourceSpans": [{"scopeSpans": [{"spans": [told]}]}]}).status_code == 200
    assert [path.suffix for path in (server.telemetry / "spans").iterdir()] == [".journal"]
    assert server.end(signal.SIGTERM) == 0
    assert [path.suffix for path in (server.telemetry / "spans").iterdir()] == [".parquet"]
    assert "Traceback" not in server.log.read_text()


SDK = """
import logging, sys
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

resource = Resource.create({"service.name": "shop", "k8s.pod.name": "shop-1"})
tracers = TracerProvider(resource=resource)
tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
meters = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter(), 3_600_000)], resource=resource)
requests = meters.get_meter("t").create_counter("http.server.requests")
seconds = meters.get_meter("t").create_histogram("http.server.request.duration", "s")
for number in range(1000):
    with tracers.get_tracer("t").start_as_current_span(f"GET /{number % 7}"):
        requests.add(1, {"http.response.status_code": 200})
        seconds.record(0.01, {"http.route": f"/{number % 7}"})
tracers.shutdown()
meters.shutdown()
"""


def test_an_sdk_that_only_knows_the_address_is_understood(make_live: Callable[[], LiveServer]) -> None:
    server = make_live()
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "OTEL_EXPORTER_OTLP_TIMEOUT": str(int(PATIENCE_S))}
    subprocess.run([sys.executable, "-c", SDK], env=environment() | settings, timeout=PATIENCE_S, check=True)
    counted = server.get("/metrics").text
    assert 'hypocenter_telemetry_rows_total{kind="traces"} 1000.0' in counted
    assert 'hypocenter_telemetry_rejected_total{kind="traces"} 0.0' in counted
    assert 'hypocenter_telemetry_rows_total{kind="metrics"} 0.0' not in counted
    ready = server.get("/readyz").json()
    assert ready["status"] == "ready"
    assert "spans: 0 segments, 1 open" in ready["checks"]["telemetry"]["found"]


def test_two_servers_cannot_keep_telemetry_in_one_place(make_live: Callable[[], LiveServer], tmp_path: Path) -> None:
    first = make_live()
    options = [*first.source, "--store", str(tmp_path / "other.sqlite"), "--port", "0"]
    second = subprocess.run(
        [*HYPOCENTER, "serve", *options],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=PATIENCE_S,
        check=False,
    )
    assert second.returncode == 2
    assert second.stderr.splitlines()[-1].endswith("another process writes there")


def test_telemetry_comes_from_a_case_or_from_exporters_not_both(case_dir: Path, tmp_path: Path) -> None:
    options = ["--case", str(case_dir), "--telemetry", str(tmp_path / "t"), "--store", str(tmp_path / "s.sqlite")]
    ended = subprocess.run(
        [*HYPOCENTER, "serve", *options],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 2
    assert "choose one" in ended.stderr.splitlines()[-1]
