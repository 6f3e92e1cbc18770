import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.gateway.context import Check, Gateway
from service.gateway.web import web_app
from service.jobs.kin import Kin
from service.jobs.records import IncidentQuery, JobStatus
from service.jobs.sqlite import SqliteStore
from service.telemetry import Meters
from service.text import is_printable
from tests.gateway.conftest import Body, alertmanager_body, grafana_body, locked_out
from tests.strangers import spoiled

pytestmark = pytest.mark.anyio

PROBLEM = "application/problem+json"


def assert_problem(response: httpx.Response, status: int) -> str:
    """The response is a problem of that status; returns its detail."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    body = response.json()
    assert (body["schema_version"], body["status"]) == ("1", status)
    assert is_printable(body["detail"])
    return body["detail"]


async def test_an_alert_is_acknowledged_with_its_incident_and_localization(
    client: httpx.AsyncClient, store: SqliteStore
) -> None:
    response = await client.post("/v1/alerts", json=alertmanager_body("cart"))
    assert response.status_code == 202
    body = response.json()
    assert body["schema_version"] == "1"
    incident = await store.incident("", body["incident_id"])
    assert incident is not None
    assert incident.services == {"cart"}
    assert [ref.id for ref in incident.localizations] == [body["localization_id"]]


async def test_a_repeat_is_answered_with_the_same_ids(client: httpx.AsyncClient) -> None:
    first = (await client.post("/v1/alerts", json=alertmanager_body("cart"))).json()
    second = (await client.post("/v1/alerts", json=alertmanager_body("cart", "pay"))).json()
    assert second["incident_id"] == first["incident_id"]
    assert second["localization_id"] == first["localization_id"]


async def test_an_error_of_our_own_is_told_to_who_sends_alerts_as_to_anybody(gateway: Gateway) -> None:
    def broken(_tenant: str) -> Kin:
        raise RuntimeError("a bug that knows of 10.1.2.3")

    transport = httpx.ASGITransport(web_app(replace(gateway, kin_of=broken), "0"), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.post("/v1/alerts", json=alertmanager_body("cart"))
    assert "10.1.2.3" not in assert_problem(answer, 500)


async def test_a_resolved_body_closes_the_incident(client: httpx.AsyncClient) -> None:
    first = (await client.post("/v1/alerts", json=alertmanager_body("cart"))).json()
    await client.post("/v1/alerts", json=alertmanager_body("cart", status="resolved"))
    incident = (await client.get(f"/v1/incidents/{first['incident_id']}")).json()
    assert incident["status"] == "resolved"
    assert incident["alerts"][0]["ends_at"] == "2026-03-04T05:16:07Z"


async def test_a_grafana_body_is_accepted(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/alerts", json=grafana_body("cart"))).status_code == 202


@pytest.fixture
def recorded() -> Body:
    """What a real Alertmanager sent: firing, then resolved."""
    default = Path(__file__).resolve().parents[3] / "shared" / "cases"
    path = Path(os.environ.get("HYPOCENTER_CASES", default)).parent / "recorded" / "alertmanager_payload.json"
    if not path.is_file():
        pytest.skip(f"no recorded webhook bodies at {path}: set HYPOCENTER_CASES")
    return json.loads(path.read_text())


async def test_the_recorded_bodies_are_accepted(client: httpx.AsyncClient, recorded: Body) -> None:
    receipts = [(await client.post("/v1/alerts", json=recorded[kind])).json() for kind in ("firing", "resolved")]
    assert receipts[0]["incident_id"] == receipts[1]["incident_id"]


NONSENSE = [
    pytest.param(b"", 400, id="nothing"),
    pytest.param(b"{", 400, id="half a body"),
    pytest.param(b"\xff\xfe{}", 400, id="not UTF-8"),
    pytest.param(b'{"a": "\\ud800"}', 400, id="a lone surrogate"),
    pytest.param(b"[" * 50_000, 400, id="deep nesting"),
    pytest.param(b"[" * 20_000 + b"]" * 20_000, 400, id="deep nesting that closes"),
    pytest.param(b"1" * 10_000, 400, id="a huge number"),
    pytest.param(b'{"version": NaN}', 400, id="no JSON number"),
    pytest.param(b"[]", 422, id="a list"),
    pytest.param(b"null", 422, id="null"),
    pytest.param(b"{}", 422, id="an empty object"),
    pytest.param(b'{"hello": "world"}', 422, id="another object"),
]


@pytest.mark.parametrize(("body", "status"), NONSENSE)
async def test_what_is_no_webhook_is_refused(client: httpx.AsyncClient, body: bytes, status: int) -> None:
    assert_problem(await client.post("/v1/alerts", content=body), status)


SPOILS: list[Body] = [
    {"version": 4},
    {"version": "9"},
    {"status": "on fire"},
    {"alerts": []},
    {"alerts": "cart"},
    {"alerts": [None]},
    {"truncatedAlerts": "many"},
    {"truncatedAlerts": 1e400},
    {"groupKey": {"a": 1}},
]


@pytest.mark.parametrize("spoil", SPOILS)
async def test_a_webhook_with_a_wrong_field_is_refused_by_name(client: httpx.AsyncClient, spoil: Body) -> None:
    body = json.dumps(alertmanager_body("cart") | spoil).replace("Infinity", "1e400")
    detail = assert_problem(await client.post("/v1/alerts", content=body), 422)
    assert next(iter(spoil)) in detail


async def test_control_characters_in_labels_do_no_harm(client: httpx.AsyncClient) -> None:
    body = alertmanager_body("cart\x00\x1b[31m\nid: 7")
    receipt = await client.post("/v1/alerts", json=body)
    assert receipt.status_code == 202
    incident = (await client.get(f"/v1/incidents/{receipt.json()['incident_id']}")).json()
    assert is_printable(incident["services"][0])


@pytest.mark.parametrize("path", ["/v1/alerts", "/v1/changes"])
async def test_a_body_over_the_limit_is_refused_without_being_read(gateway: Gateway, path: str) -> None:
    transport = httpx.ASGITransport(web_app(replace(gateway, alerts_limit_bytes=100_000), "0"))
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 50_000_000:
            sent += 10_000
            yield b"x" * 10_000

    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert_problem(await client.post(path, content=b"x" * 200_000), 413)
        assert_problem(await client.post(path, content=endless()), 413)
    assert sent < 40_000_000


async def test_a_body_that_does_not_come_is_not_waited_for_longer_than_the_limit(gateway: Gateway) -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    transport = httpx.ASGITransport(web_app(replace(gateway, body_timeout_s=0.05), "0"))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert "0.05 s" in assert_problem(await client.post("/v1/alerts", content=stalled()), 408)


async def test_what_exceeds_the_rate_is_told_to_come_again(gateway: Gateway, client: httpx.AsyncClient) -> None:
    gateway.rates.per_s = 0.001
    assert (await client.post("/v1/alerts", json=alertmanager_body("cart"))).status_code == 202
    refused = await client.post("/v1/alerts", json=alertmanager_body("pay"))
    assert_problem(refused, 503)
    assert int(refused.headers["retry-after"]) > 0


async def test_an_alert_that_cannot_be_stored_is_not_acknowledged(
    client: httpx.AsyncClient, gateway: Gateway, tmp_path: Path, store: SqliteStore
) -> None:
    async with locked_out(gateway, tmp_path / "store.sqlite") as shut_out:
        refused = await shut_out.post("/v1/alerts", json=alertmanager_body("cart"))
    assert_problem(refused, 503)
    assert int(refused.headers["retry-after"]) > 0
    assert (await store.incidents(IncidentQuery())).incidents == ()
    assert (await client.post("/v1/alerts", json=alertmanager_body("cart"))).status_code == 202


async def test_a_storm_of_the_same_alert_makes_one_localization(client: httpx.AsyncClient, store: SqliteStore) -> None:
    responses = await asyncio.gather(
        *(client.post("/v1/alerts", json=alertmanager_body("cart", "pay")) for _ in range(60))
    )
    assert {r.status_code for r in responses} == {202}
    assert (await store.backlog(datetime.now(UTC))).counts[JobStatus.QUEUED] == 1


@given(
    bodies=st.lists(
        spoiled([alertmanager_body("cart", "pay")]).map(json.dumps) | st.text() | st.just("{"), min_size=5, max_size=25
    )
)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_no_body_whatsoever_is_answered_with_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[str]
) -> None:
    async def fine() -> Check:
        return Check(ok=True, found="")

    async def post_all() -> list[httpx.Response]:
        store = SqliteStore(tmp_path_factory.mktemp("fuzz") / "store.sqlite")
        gateway = Gateway(store, Meters(), fine, "none")
        transport = httpx.ASGITransport(web_app(gateway, "0"))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            posted = [await client.post("/v1/alerts", content=body.encode("utf-8", "surrogatepass")) for body in bodies]
        await store.close()
        return posted

    for response in asyncio.run(post_all()):
        assert response.status_code in {202, 400, 422}
        assert is_printable(response.text)
        assert response.json()["schema_version"] == "1"
