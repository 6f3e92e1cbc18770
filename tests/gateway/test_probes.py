import asyncio
import json
import re
from collections.abc import MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.gateway.context import Check, Gateway
from service.gateway.web import web_app
from service.jobs.sqlite import SqliteStore
from tests.gateway.conftest import alertmanager_body, locked_out
from tests.gateway.test_alerts import assert_problem

pytestmark = pytest.mark.anyio


async def test_liveness_asks_nobody(client: httpx.AsyncClient, store: SqliteStore) -> None:
    await store.close()
    assert (await client.get("/livez")).status_code == 200


async def test_readiness_says_what_it_found(client: httpx.AsyncClient) -> None:
    response = await client.get("/readyz")
    checks = response.json()["checks"]
    assert response.status_code == 200
    assert "SQLite" in checks["store"]["found"]
    assert checks["telemetry"]["found"] == "a source made for the test"


async def test_a_store_that_cannot_be_written_is_not_ready(gateway: Gateway, tmp_path: Path) -> None:
    async with locked_out(gateway, tmp_path / "store.sqlite") as client:
        response = await client.get("/readyz")
    assert response.status_code == 503
    assert not response.json()["checks"]["store"]["ok"]


async def test_a_source_that_is_gone_is_not_ready(gateway: Gateway) -> None:
    async def gone() -> Check:
        return Check(ok=False, found="gone")

    transport = httpx.ASGITransport(web_app(replace(gateway, telemetry_check=gone), "0"))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert (await client.get("/readyz")).status_code == 503


async def test_servers_of_telemetry_that_are_down_keep_no_alert_out(gateway: Gateway) -> None:
    async def down() -> Check:
        return Check(ok=False, found="Loki \x9b\u202e did not answer", needed=False)

    transport = httpx.ASGITransport(web_app(replace(gateway, telemetry_check=down), "0"))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        response = await client.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert response.json()["checks"]["telemetry"] == {"ok": False, "found": "Loki \ufffd\ufffd did not answer"}


async def test_a_source_that_hangs_is_waited_for_no_longer_than_is_set(gateway: Gateway) -> None:
    async def hung() -> Check:
        await asyncio.Event().wait()
        raise AssertionError

    parts = replace(gateway, telemetry_check=hung, check_timeout_s=0.05)
    transport = httpx.ASGITransport(web_app(parts, "0"))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        response = await client.get("/readyz")
    assert response.json()["status"] == "degraded"
    assert response.json()["checks"]["telemetry"] == {"ok": False, "found": "no answer within 0.05 s"}


async def test_a_process_that_stops_is_not_ready(gateway: Gateway, client: httpx.AsyncClient) -> None:
    gateway.stopping.set()
    assert (await client.get("/readyz")).status_code == 503


async def test_metrics_count_alerts_jobs_and_requests_by_route(client: httpx.AsyncClient) -> None:
    await client.post("/v1/alerts", json=alertmanager_body("cart", "pay"))
    await client.get("/v1/incidents/whatever")
    text = (await client.get("/metrics")).text
    assert 'hypocenter_alerts_total{status="firing"} 2.0' in text
    assert 'hypocenter_jobs{status="queued"} 1.0' in text
    assert 'route="/v1/incidents/{incident_id}",status="404"' in text
    assert "whatever" not in text


async def test_two_apps_in_one_process_count_apart(gateway: Gateway, client: httpx.AsyncClient) -> None:
    from service.telemetry import Meters

    other = httpx.ASGITransport(web_app(replace(gateway, meters=Meters()), "0"))
    await client.post("/v1/alerts", json=alertmanager_body("cart"))
    async with httpx.AsyncClient(transport=other, base_url="http://localhost") as second:
        assert 'hypocenter_alerts_total{status="firing"}' not in (await second.get("/metrics")).text


async def test_the_openapi_document_names_every_call(client: httpx.AsyncClient) -> None:
    paths: dict[str, Any] = (await client.get("/openapi.json")).json()["paths"]
    calls = {(method, path) for path, methods in paths.items() for method in methods}
    assert {
        ("post", "/v1/alerts"),
        ("post", "/v1/localizations"),
        ("get", "/v1/localizations/{localization_id}"),
        ("delete", "/v1/localizations/{localization_id}"),
        ("get", "/v1/localizations/{localization_id}/events"),
        ("get", "/v1/localizations/{localization_id}/transcript"),
        ("put", "/v1/localizations/{localization_id}/verdict"),
        ("get", "/v1/incidents"),
        ("get", "/v1/incidents/{incident_id}"),
        ("post", "/v1/changes"),
    } <= calls


async def test_the_openapi_document_refers_to_nothing_that_it_does_not_hold(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    for reference in re.findall(r'"\$ref": ?"#/([^"]+)"', json.dumps(document)):
        part = document
        for step in reference.split("/"):
            part = part[step]


async def test_the_openapi_document_tells_of_problems_at_every_call(client: httpx.AsyncClient) -> None:
    paths: dict[str, Any] = (await client.get("/openapi.json")).json()["paths"]
    told = [methods[method]["responses"]["default"]["content"] for methods in paths.values() for method in methods]
    assert len(told) >= 14
    assert all(list(content) == ["application/problem+json"] for content in told)


async def test_a_sender_that_goes_away_is_no_error_of_ours(gateway: Gateway) -> None:
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return next(messages)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/v1/alerts", "query_string": b"", "headers": []}
    await web_app(gateway, "0")(scope, receive, send)
    assert sent[0]["status"] == 400


async def test_a_method_that_is_not_there_is_a_problem(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/alerts")
    assert_problem(response, 405)
    assert response.headers["allow"] == "POST"


async def test_nobody_is_sent_elsewhere(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get("/v1/incidents/"), 404)


async def test_an_error_of_ours_is_a_problem_that_tells_strangers_nothing(gateway: Gateway) -> None:
    async def broken() -> Check:
        raise RuntimeError("a secret")

    transport = httpx.ASGITransport(web_app(replace(gateway, telemetry_check=broken), "0"), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        response = await client.get("/readyz")
    assert "secret" not in assert_problem(response, 500)
    await asyncio.sleep(0)
