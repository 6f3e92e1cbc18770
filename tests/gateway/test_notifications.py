"""Notifications that are large, cut short, or about what is no incident."""

from collections.abc import Mapping
from dataclasses import replace

import httpx
import pytest

from service.gateway.context import Gateway
from service.gateway.web import web_app
from service.jobs.no_incidents import USUAL, NoIncidents
from service.jobs.sqlite import SqliteStore
from service.stores.embedded.room import Room
from tests.gateway.conftest import Body, alertmanager_body

pytestmark = pytest.mark.anyio


def labelled(body: Body, *labels: Mapping[str, str]) -> Body:
    """The body with an alert more for each."""
    alerts = [{**body["alerts"][0], "fingerprint": "", "labels": dict(one)} for one in labels]
    return {**body, "alerts": [*body["alerts"], *alerts]}


def large(alerts: int) -> Body:
    """About 1.5 kB an alert."""
    body = alertmanager_body("cart")
    labels = [{"alertname": "PodNotReady", "service": "cart", "pod": f"cart-{n}"} for n in range(alerts)]
    text = {"description": "Pod has been in a non-ready state for longer than 15 minutes. " * 20}
    return {**body, "alerts": [{**a, "annotations": text} for a in labelled(body, *labels)["alerts"][1:]]}


@pytest.mark.parametrize("label", [*USUAL, "alertname=watchdog", "severity=None "])
async def test_what_is_no_incident_is_acknowledged_and_not_localized(
    client: httpx.AsyncClient, store: SqliteStore, label: str
) -> None:
    name, _, value = label.partition("=")
    labels = {"alertname": "Fires", "severity": "critical", "service": "mail", name: value}
    answer = (await client.post("/v1/alerts", json=labelled(alertmanager_body("cart"), labels))).json()
    (left_out,) = answer["not_localized"]
    assert (left_out["alertname"], left_out["alerts"]) == (labels["alertname"], 1)
    assert "grouping.no_incidents" in left_out["reason"]
    (incident,) = answer["incidents"]
    known = await store.incident("", incident["id"])
    assert known is not None
    assert known.services == {"cart"}


async def test_of_nothing_but_such_alerts_nothing_is_made(client: httpx.AsyncClient) -> None:
    body = labelled(alertmanager_body("cart"), {"alertname": "Watchdog"}, {"alertname": "Watchdog", "cluster": "b"})
    answer = await client.post("/v1/alerts", json={**body, "alerts": body["alerts"][1:]})
    assert answer.status_code == 202
    assert (answer.json()["incidents"], answer.json()["incident_id"]) == ([], None)
    assert [told["alerts"] for told in answer.json()["not_localized"]] == [2]
    assert (await client.get("/v1/incidents")).json()["incidents"] == []


async def test_which_alerts_are_no_incidents_is_a_setting(gateway: Gateway) -> None:
    ours = replace(gateway, no_incidents=NoIncidents(["team=lab"]))
    body = labelled(alertmanager_body("cart"), {"alertname": "Watchdog"}, {"alertname": "Slow", "team": "lab"})
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(web_app(ours, "0")), base_url="http://localhost"
    ) as client:
        answer = (await client.post("/v1/alerts", json=body)).json()
    assert [told["alertname"] for told in answer["not_localized"]] == ["Slow"]


async def test_a_notification_of_several_megabytes_is_taken_whole(
    client: httpx.AsyncClient, gateway: Gateway, store: SqliteStore
) -> None:
    body = large(2000)
    answer = await client.post("/v1/alerts", json=body)
    assert int(answer.request.headers["content-length"]) > 2_500_000
    assert answer.status_code == 202, answer.text
    known = await store.incident("", answer.json()["incident_id"])
    assert known is not None
    assert len(known.alerts) == 2000
    assert gateway.alerts_room.used == 0


async def test_what_finds_no_room_is_sent_again_and_never_lost(gateway: Gateway) -> None:
    """Alertmanager repeats what is answered with 503, and never what is answered with 413."""
    full = replace(gateway, alerts_room=Room(100_000, "alerts"))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(web_app(full, "0")), base_url="http://localhost"
    ) as client:
        with full.alerts_room.hold() as other:
            other.grow(90_000)
            refused = await client.post("/v1/alerts", json=large(20))
            assert (refused.status_code, refused.headers["connection"]) == (503, "close")
            assert "send it again" in refused.json()["detail"]
        assert (await client.post("/v1/alerts", json=large(20))).status_code == 202
        assert full.alerts_room.used == 0


async def test_a_notification_longer_than_the_limit_is_refused_unread(gateway: Gateway) -> None:
    small = replace(gateway, alerts_limit_bytes=50_000)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(web_app(small, "0")), base_url="http://localhost"
    ) as client:
        refused = await client.post("/v1/alerts", json=large(200))
    assert refused.status_code == 413
    assert small.alerts_room.used == 0


async def test_how_many_alerts_were_left_out_is_kept(client: httpx.AsyncClient, store: SqliteStore) -> None:
    for truncated in (7, 0, 3):
        body = {**alertmanager_body("cart"), "truncatedAlerts": truncated}
        answer = (await client.post("/v1/alerts", json=body)).json()
        known = await store.incident("", answer["incident_id"])
        assert known is not None
        assert known.truncated == truncated
