import asyncio
import errno
import gzip
import json
import os
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTracePartialSuccess as Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from service.gateway.context import Gateway
from service.gateway.web import web_app
from service.stores.embedded.intakes import Intakes
from service.stores.embedded.query import EmbeddedTelemetry
from tests.gateway.test_alerts import assert_problem
from tests.stores.embedded.sending import (
    log_rows_request,
    metric_rows_request,
    span,
    span_rows_request,
    trace_request,
)
from tests.stores.embedded.test_store import HOUR
from tests.telemetry_rows import at, logs, metrics, spans

pytestmark = pytest.mark.anyio

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}
GZIP = {"content-encoding": "gzip"}
TRACES = span_rows_request(spans({"service": "cart"})).SerializeToString()
LIMIT = 100_000


@pytest.fixture
async def intakes(tmp_path: Path) -> AsyncIterator[Intakes]:
    opened = Intakes(tmp_path / "telemetry", body_limit_bytes=LIMIT, room_bytes=2 * LIMIT, clock=lambda: at(15))
    yield opened
    await opened.close()


@pytest.fixture
async def client(gateway: Gateway, intakes: Intakes) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(web_app(gateway, "0", intakes), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as opened:
        yield opened


async def rows(tmp_path: Path) -> list[dict[str, Any]]:
    return (await EmbeddedTelemetry(tmp_path / "telemetry").spans(HOUR)).to_pylist()


async def test_traces_logs_and_metrics_are_taken_and_can_be_read_at_once(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    bodies = {
        "traces": (TRACES, ExportTraceServiceResponse),
        "logs": (log_rows_request(logs({"body": "hello"})).SerializeToString(), ExportLogsServiceResponse),
        "metrics": (metric_rows_request(metrics({"value": 3.0})).SerializeToString(), ExportMetricsServiceResponse),
    }
    for name, (body, kind) in bodies.items():
        response = await client.post(f"/v1/{name}", content=body, headers=PROTOBUF)
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/x-protobuf"
        assert kind.FromString(response.content) == kind()
    store = EmbeddedTelemetry(tmp_path / "telemetry")
    assert [row["service"] for row in (await store.spans(HOUR)).to_pylist()] == ["cart"]
    assert [row["body"] for row in (await store.logs(HOUR)).to_pylist()] == ["hello"]
    assert [row["value"] for row in (await store.metrics(HOUR)).to_pylist()] == [3.0]


async def test_json_is_answered_in_json(client: httpx.AsyncClient, tmp_path: Path) -> None:
    told = {
        "traceId": "0a" * 16,
        "spanId": "0b" * 8,
        "name": "get",
        "startTimeUnixNano": str(int(at(0).timestamp()) * 10**9),
    }
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [told, {**told, "spanId": "no hex"}]}]}]}
    response = await client.post("/v1/traces", json=body)
    assert response.status_code == 200
    partial = response.json()["partialSuccess"]
    assert partial["rejectedSpans"] == "1"
    assert "span id" in partial["errorMessage"]
    assert [row["trace_id"] for row in await rows(tmp_path)] == ["0a" * 16]


async def test_what_is_packed_is_taken(client: httpx.AsyncClient, tmp_path: Path) -> None:
    response = await client.post("/v1/traces", content=gzip.compress(TRACES), headers=PROTOBUF | GZIP)
    assert response.status_code == 200
    assert len(await rows(tmp_path)) == 1


async def test_rejected_records_are_told_as_a_partial_success(client: httpx.AsyncClient, tmp_path: Path) -> None:
    body = trace_request(span(), span(trace_id=b"")).SerializeToString()
    response = await client.post("/v1/traces", content=body, headers=PROTOBUF)
    partial = ExportTraceServiceResponse.FromString(response.content).partial_success
    assert (partial.rejected_spans, partial.error_message) == (1, "a trace id is not 16 bytes, or all zero")
    assert len(await rows(tmp_path)) == 1
    text = (await client.get("/metrics")).text
    assert 'hypocenter_telemetry_rows_total{kind="traces"} 1.0' in text
    assert 'hypocenter_telemetry_rejected_total{kind="traces"} 1.0' in text


LATER = str(int(at(0).timestamp()) * 10**9)
TELEMETRY = {
    "traces": ("resourceSpans", "scopeSpans", "spans", {"traceId": "0a" * 16, "startTimeUnixNano": LATER}),
    "logs": ("resourceLogs", "scopeLogs", "logRecords", {"timeUnixNano": LATER}),
    "metrics": ("resourceMetrics", "scopeMetrics", "metrics", {"name": "m"}),
}
REJECTED = {"traces": "rejectedSpans", "logs": "rejectedLogRecords", "metrics": "rejectedDataPoints"}


@pytest.mark.parametrize("kind", TELEMETRY)
async def test_a_record_that_cannot_be_read_costs_itself(client: httpx.AsyncClient, tmp_path: Path, kind: str) -> None:
    outer, inner, records, usual = TELEMETRY[kind]
    odd = {"key": "k", "value": {"intValue": 1.5}}
    sent: list[dict[str, Any]] = [
        {**usual, "spanId": "0b" * 8, "attributes": [odd]},
        {**usual, "spanId": "0c" * 8, "attributes": []},
    ]
    if kind == "metrics":
        points = [{"timeUnixNano": LATER, "asInt": n, "attributes": [odd][n:]} for n in range(2)]
        sent = [{**usual, "gauge": {"dataPoints": points}}]
    response = await client.post(f"/v1/{kind}", json={outer: [{inner: [{records: sent}]}]})
    assert response.status_code == 200
    partial = response.json()["partialSuccess"]
    assert partial[REJECTED[kind]] == "1"
    assert "cannot be read" in partial["errorMessage"]
    store = EmbeddedTelemetry(tmp_path / "telemetry")
    read = {"traces": store.spans, "logs": store.logs, "metrics": store.metrics}[kind]
    assert (await read(HOUR)).num_rows == 1
    assert f'hypocenter_telemetry_rejected_total{{kind="{kind}"}} 1.0' in (await client.get("/metrics")).text


async def test_an_empty_request_is_a_success(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/metrics", content=b"", headers=PROTOBUF)).status_code == 200
    assert (await client.post("/v1/logs", json={})).json() == {}


@pytest.mark.parametrize(("headers", "body"), [(PROTOBUF, b"\xff"), (JSON, b"{"), (PROTOBUF | GZIP, b"no gzip")])
async def test_what_cannot_be_read_is_400_in_the_encoding_of_the_request(
    client: httpx.AsyncClient, headers: dict[str, str], body: bytes
) -> None:
    response = await client.post("/v1/traces", content=body, headers=headers)
    assert response.status_code == 400
    assert response.headers["content-type"] == headers["content-type"]
    assert "retry-after" not in response.headers
    said = response.json()["message"] if headers == JSON else Status.FromString(response.content).error_message
    assert said.startswith("the body is no")


@pytest.mark.parametrize("headers", [{"content-type": "text/plain"}, {}, PROTOBUF | {"content-encoding": "zstd"}])
async def test_what_nobody_understands_is_415(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert_problem(await client.post("/v1/traces", content=b"x", headers=headers), 415)


async def test_a_long_body_is_413_before_it_was_read(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/traces", content=bytes(LIMIT + 1), headers=PROTOBUF)
    assert response.status_code == 413

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield bytes(LIMIT // 10)

    assert (await client.post("/v1/traces", content=endless(), headers=PROTOBUF)).status_code == 413


async def test_a_bomb_is_413(client: httpx.AsyncClient) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < LIMIT
    assert (await client.post("/v1/traces", content=bomb, headers=PROTOBUF | GZIP)).status_code == 413


async def test_more_at_once_than_there_is_room_for_is_429_and_the_room_is_given_back(
    client: httpx.AsyncClient, intakes: Intakes
) -> None:
    with intakes.room.hold() as others:
        others.grow(2 * LIMIT - 10)
        response = await client.post("/v1/traces", content=TRACES, headers=PROTOBUF)
        assert response.status_code == 429
        assert response.headers["retry-after"] == "1"
    assert (await client.post("/v1/traces", content=TRACES, headers=PROTOBUF)).status_code == 200
    assert intakes.room.used == 0


async def test_what_unpacks_to_more_than_there_is_room_for_is_429(client: httpx.AsyncClient, intakes: Intakes) -> None:
    packed = gzip.compress(bytes(LIMIT - 1))
    with intakes.room.hold() as others:
        others.grow(LIMIT + 500)
        response = await client.post("/v1/traces", content=packed, headers=PROTOBUF | GZIP)
        assert response.status_code == 429
    assert intakes.room.used == 0


async def test_a_full_disk_is_503_until_there_is_space(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        response = await client.post("/v1/traces", content=TRACES, headers=PROTOBUF)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"
    assert b"No space left" in response.content
    assert await rows(tmp_path) == []
    assert (await client.post("/v1/traces", content=TRACES, headers=PROTOBUF)).status_code == 200


async def test_a_closed_store_is_503(client: httpx.AsyncClient, intakes: Intakes) -> None:
    await intakes.close()
    assert (await client.post("/v1/traces", content=TRACES, headers=PROTOBUF)).status_code == 503


async def test_a_burst_is_taken_whole_or_told_to_come_again(
    client: httpx.AsyncClient, intakes: Intakes, tmp_path: Path
) -> None:
    body = trace_request(*(span(name="x" * 300) for _ in range(100))).SerializeToString()
    posts: list[Awaitable[httpx.Response]] = [
        client.post("/v1/traces", content=body, headers=PROTOBUF) for _ in range(40)
    ]
    statuses = [response.status_code for response in await asyncio.gather(*posts)]
    assert set(statuses) <= {200, 429}
    assert len(await rows(tmp_path)) == 100 * statuses.count(200)
    assert statuses.count(200) > 0
    assert intakes.room.used == 0


async def test_other_requests_are_answered_while_telemetry_is_decoded(client: httpx.AsyncClient) -> None:
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "n"}] * 4000}]}]}).encode()
    assert len(body) < LIMIT
    order: list[str] = []

    async def ask(method: str, path: str, **told: Any) -> None:
        await client.request(method, path, **told)
        order.append(path)

    await asyncio.gather(ask("POST", "/v1/traces", content=body, headers=JSON), ask("GET", "/livez"))
    assert order == ["/livez", "/v1/traces"]


async def test_without_an_embedded_store_there_is_nothing_to_send_to(gateway: Gateway) -> None:
    transport = httpx.ASGITransport(web_app(replace(gateway), "0"))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert_problem(await client.post("/v1/traces", content=TRACES, headers=PROTOBUF), 404)
