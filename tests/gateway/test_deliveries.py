import logging
from datetime import UTC, datetime

import httpx
import pytest

from service.domain.alert import ROOT_CAUSE, Alert
from service.gateway.callers import Scope
from service.jobs.grouping import Notification
from service.jobs.records import DeliveryStatus, Ending, JobStatus
from service.jobs.sqlite import SqliteStore
from tests.gateway.conftest import Keys, alertmanager_body
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


async def given_up(store: SqliteStore, *targets: str, tenant: str = "") -> str:
    """The id of an answer that was given up for the first target."""
    now = datetime.now(UTC)
    alert = Alert("f-cart", now, None, {"service": "cart"})
    await store.accept(Notification(tenant, "g", (alert,)), now)
    claim = await store.claim("w", 60, now)
    assert claim is not None
    await store.finish(claim.lease, Ending("{}"), now, targets)
    delivery = await store.claim_delivery("c", 60, now, targets[:1])
    assert delivery is not None
    await store.undelivered(delivery, "Slack refuses us", now, None)
    return claim.localization.id


async def test_a_dead_letter_is_sent_again(client: httpx.AsyncClient, store: SqliteStore) -> None:
    base = f"/v1/localizations/{await given_up(store, 'chat', 'pager')}/deliveries"
    for target in ("chat", "chat", "pager"):
        taken = await client.post(f"{base}/{target}/again")
        assert (taken.status_code, taken.json()["target"], taken.json()["status"]) == (202, target, "queued")
    delivery = await store.claim_delivery("c", 60, datetime.now(UTC), ["chat"])
    assert delivery is not None
    await store.delivered(delivery, datetime.now(UTC))
    assert_problem(await client.post(f"{base}/chat/again"), 409)
    assert_problem(await client.post(f"{base}/mail/again"), 404)
    assert_problem(await client.post("/v1/localizations/loc-x/deliveries/chat/again"), 404)


async def test_a_dead_letter_is_sent_again_by_who_may_operate_for_its_tenant_only(
    closed_client: httpx.AsyncClient, keys: Keys, store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    id_ = await given_up(store, "chat", tenant="shop")
    path = f"/v1/localizations/{id_}/deliveries/chat/again"
    assert_problem(await closed_client.post(path, headers=keys.make("bank", tenant="bank")), 404)
    assert_problem(await closed_client.post(path, headers=keys.make("reader", Scope.READ, tenant="shop")), 403)
    assert [record.status for record in await store.deliveries("shop", id_)] == [DeliveryStatus.DEAD]
    with caplog.at_level(logging.INFO, "hypocenter.audit"):
        taken = await closed_client.post(path, headers=keys.make("shop", Scope.OPERATE, tenant="shop"))
    assert taken.status_code == 202
    fields = caplog.records[-1].__dict__["fields"]
    assert (fields["who"], fields["tenant"], fields["status"]) == ("shop", "shop", 202)
    assert fields["ids"] == {"localization_id": id_, "target": "chat"}


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
