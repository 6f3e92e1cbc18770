import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from service.gateway.callers import Scope
from tests.gateway.conftest import Keys, alertmanager_body

pytestmark = pytest.mark.anyio

Json = dict[str, Any]


@pytest.fixture
def client(closed_client: httpx.AsyncClient) -> httpx.AsyncClient:
    return closed_client


class Lines(logging.Handler):
    """The fields of the audit log's lines."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: list[Json] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.fields.append(record.__dict__["fields"])


@pytest.fixture
def audit() -> Iterator[list[Json]]:
    lines, log = Lines(), logging.getLogger("hypocenter.audit")
    log.addHandler(lines)
    yield lines.fields
    log.removeHandler(lines)


async def test_who_asked_what_and_what_became_of_it_is_told(
    client: httpx.AsyncClient, keys: Keys, audit: list[Json]
) -> None:
    shop = keys.make("shop", tenant="shop")
    told = (await client.post("/v1/alerts", json=alertmanager_body("cart"), headers=shop)).json()
    await client.delete(f"/v1/localizations/{told['localization_id']}", headers=shop)
    await client.get("/v1/incidents?service=eyJhbGciOiJIUzI1.eyJzdWIiOiIx.c2ln")
    await client.get("/livez")
    made, cancelled, refused = audit
    assert (made["who"], made["tenant"], made["route"], made["status"]) == ("shop", "shop", "/v1/alerts", 202)
    assert made["made"] == f"/v1/incidents/{told['incident_id']}"
    assert cancelled["method"] == "DELETE"
    assert cancelled["route"] == "/v1/localizations/{localization_id}"
    assert cancelled["ids"] == {"localization_id": told["localization_id"]}
    assert (refused["who"], refused["status"]) == (None, 401)
    assert "cart" not in json.dumps(audit)
    assert "eyJ" not in json.dumps(audit)
    assert shop["Authorization"].removeprefix("Bearer ") not in json.dumps(audit)


async def test_who_was_refused_is_told_by_name(client: httpx.AsyncClient, keys: Keys, audit: list[Json]) -> None:
    headers = keys.make("pipeline", Scope.INGEST, tenant="shop")
    await client.get("/v1/incidents", headers=headers)
    await client.post("/v1/alerts", json={}, headers=httpx.Headers({**headers, "X-Scope-OrgID": "bank"}))
    assert [(line["who"], line["tenant"], line["status"]) for line in audit] == 2 * [("pipeline", "shop", 403)]


async def test_alert_texts_are_shown_without_the_secrets_in_them(client: httpx.AsyncClient, keys: Keys) -> None:
    body = alertmanager_body("cart")
    body["alerts"][0]["annotations"] = {"runbook": "psql postgres://shop:hunter2hunter2@db/shop"}
    body["alerts"][0]["generatorURL"] = "http://ops:hunter2hunter2@prometheus:9090/graph?g0.expr=up"
    known = keys.make("known")
    told = (await client.post("/v1/alerts", json=body, headers=known)).json()
    shown = await client.get(f"/v1/incidents/{told['incident_id']}", headers=known)
    assert "hunter2" not in shown.text
    assert "prometheus:9090/graph?g0.expr=up" in shown.text
