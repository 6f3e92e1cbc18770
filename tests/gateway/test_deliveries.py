from datetime import UTC, datetime

import httpx
import pytest

from service.domain.alert import ROOT_CAUSE
from service.jobs.records import Ending, JobStatus
from service.jobs.sqlite import SqliteStore
from tests.gateway.conftest import alertmanager_body
from tests.gateway.test_alerts import assert_problem

pytestmark = pytest.mark.anyio


async def test_where_an_answer_goes_is_shown_with_what_is_wrong(client: httpx.AsyncClient, store: SqliteStore) -> None:
    await client.post("/v1/alerts", json=alertmanager_body("cart"))
    now = datetime.now(UTC)
    claim = await store.claim("w", 60, now)
    assert claim is not None
    await store.finish(claim.lease, Ending("{}"), now, ["pager", "chat"])
    delivery = await store.claim_delivery("c", 60, now, ["chat"])
    assert delivery is not None
    await store.undelivered(delivery, "Slack refuses us", now, None)
    shown = (await client.get(f"/v1/localizations/{claim.localization.id}/deliveries")).json()
    assert {told["target"]: (told["status"], told["attempts"], told["error"]) for told in shown["deliveries"]} == {
        "pager": ("queued", 0, ""),
        "chat": ("dead", 1, "Slack refuses us"),
    }


async def test_of_a_localization_that_is_not_there_nothing_is_delivered(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get("/v1/localizations/loc-x/deliveries"), 404)


async def test_our_own_alert_that_comes_back_is_no_incident(client: httpx.AsyncClient, store: SqliteStore) -> None:
    body = alertmanager_body("cart", "db")
    body["alerts"][0]["labels"]["alertname"] = ROOT_CAUSE
    mixed = (await client.post("/v1/alerts", json=body)).json()
    incident = (await client.get(f"/v1/incidents/{mixed['incident_id']}")).json()
    assert incident["services"] == ["db"]
    body["alerts"] = body["alerts"][:1]
    alone = await client.post("/v1/alerts", json=body)
    assert (alone.status_code, alone.json()["incident_id"], alone.json()["incidents"]) == (202, None, [])
    assert (await store.backlog(datetime.now(UTC))).counts[JobStatus.QUEUED] == 1
