from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from service.domain.window import Window
from service.jobs.sqlite import SqliteStore
from service.text import is_printable
from tests.gateway.conftest import alertmanager_body
from tests.gateway.test_alerts import assert_problem

pytestmark = pytest.mark.anyio


async def open_incidents(client: httpx.AsyncClient, count: int) -> list[str]:
    ids: list[str] = []
    for n in range(count):
        body = alertmanager_body(f"s{n}") | {"groupKey": f"g{n}"}
        ids.append((await client.post("/v1/alerts", json=body)).json()["incident_id"])
    return ids


async def test_pages_lead_through_all_incidents_newest_first(client: httpx.AsyncClient) -> None:
    ids = await open_incidents(client, 5)
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await client.get("/v1/incidents", params={"limit": 2, "cursor": cursor})).json()
        seen += [incident["id"] for incident in page["incidents"]]
        if page["next_cursor"] is None:
            break
        cursor = page["next_cursor"]
    assert seen == ids[::-1]


async def test_incidents_are_filtered_by_service_and_status(client: httpx.AsyncClient) -> None:
    ids = await open_incidents(client, 2)
    await client.post("/v1/alerts", json=alertmanager_body("s1", status="resolved") | {"groupKey": "g1"})
    by_service = (await client.get("/v1/incidents", params={"service": "s0"})).json()["incidents"]
    by_status = (await client.get("/v1/incidents", params={"status": "resolved"})).json()["incidents"]
    assert [i["id"] for i in by_service] == [ids[0]]
    assert [i["id"] for i in by_status] == [ids[1]]


@pytest.mark.parametrize("query", ["status=burning", "limit=0", "limit=1e9", "cursor=x", "cursor=%00"])
async def test_a_filter_that_cannot_be_meant_is_refused(client: httpx.AsyncClient, query: str) -> None:
    assert query.split("=")[0] in assert_problem(await client.get(f"/v1/incidents?{query}"), 422)


async def test_a_change_is_kept(client: httpx.AsyncClient, store: SqliteStore) -> None:
    told = {"time": "2026-03-04T05:06:07+01:00", "service": "cart", "kind": "deploy", "summary": "cart 1.2\x1b[1m"}
    response = await client.post("/v1/changes", json=told)
    assert (response.status_code, response.json()) == (202, {"schema_version": "1", "accepted": 1})
    many = await client.post("/v1/changes", json={"changes": [told, {"service": "pay", "kind": "config"}]})
    assert many.json()["accepted"] == 2
    day = Window(datetime(2026, 3, 4, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC))
    (kept,) = await store.changes("", day)
    assert (kept.time, kept.service) == (datetime(2026, 3, 4, 4, 6, 7, tzinfo=UTC), "cart")
    assert is_printable(kept.summary)


CHANGES: list[Any] = [
    [],
    {},
    {"changes": []},
    {"service": "cart", "kind": "party"},
    {"service": "", "kind": "deploy"},
    {"service": "cart", "kind": "deploy", "time": "noon"},
    {"service": "cart", "kind": "deploy", "time": "0001-01-01T00:00:00+14:00"},
    {"service": "cart", "kind": "deploy", "time": 1e300},
]


@pytest.mark.parametrize("body", CHANGES)
async def test_a_change_that_is_none_is_refused(client: httpx.AsyncClient, body: Any) -> None:
    assert_problem(await client.post("/v1/changes", json=body), 422)


async def test_a_cloudevent_in_binary_mode_is_kept_with_its_time(client: httpx.AsyncClient, store: SqliteStore) -> None:
    envelope = {"ce-specversion": "1.0", "ce-type": "acme.changed", "ce-time": "2026-03-04T05:06:07Z"}
    response = await client.post("/v1/changes", json={"service": "cart", "kind": "config"}, headers=envelope)
    assert response.json() == {"schema_version": "1", "accepted": 1}
    (kept,) = await store.changes("", Window(datetime(2026, 3, 4, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC)))
    assert kept.time == datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


async def test_what_tells_of_no_change_is_accepted_so_that_nobody_sends_it_again(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/changes", json={"zen": "Keep it simple.", "hook_id": 1})
    assert (response.status_code, response.json()["accepted"]) == (202, 0)
    assert "hook" in response.json()["ignored"]
