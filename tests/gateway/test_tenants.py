from pathlib import Path
from typing import Any

import httpx
import pytest

from service.gateway.callers import ANY_TENANT, Scope
from tests.gateway.conftest import Answer, Keys, alertmanager_body
from tests.gateway.test_alerts import assert_problem
from tests.gateway.test_doors import NEEDED, path_with

pytestmark = pytest.mark.anyio

Json = dict[str, Any]


@pytest.fixture
def client(closed_client: httpx.AsyncClient) -> httpx.AsyncClient:
    return closed_client


async def ids_of(client: httpx.AsyncClient, headers: httpx.Headers, answer_next: Answer) -> Json:
    told = await client.post("/v1/alerts", json=alertmanager_body("cart"), headers=headers)
    assert told.status_code == 202
    await answer_next()
    return told.json()


async def test_another_tenants_ids_are_404_on_every_route(
    client: httpx.AsyncClient, keys: Keys, answer_next: Answer
) -> None:
    shop, bank = keys.make("shop", tenant="shop"), keys.make("bank", tenant="bank")
    nobody = keys.make("nobody")
    ids = await ids_of(client, shop, answer_next)
    by_id = [(method, path) for method, path, _ in NEEDED if "{" in path]
    assert len(by_id) == 9
    for method, path in by_id:
        url = path_with(path, ids["incident_id"] if "incident_id" in path else ids["localization_id"])
        body: Json | None = {"causes": []} if method == "PUT" else None
        for other in (bank, nobody):
            assert_problem(await client.request(method, url, json=body, headers=other), 404)
    assert (await client.get(f"/v1/localizations/{ids['localization_id']}", headers=shop)).json()["status"] == "done"
    for other, count in ((shop, 1), (bank, 0), (nobody, 0)):
        assert len((await client.get("/v1/incidents", headers=other)).json()["incidents"]) == count


async def test_who_may_speak_for_any_tenant_names_it_by_header(client: httpx.AsyncClient, keys: Keys) -> None:
    any_of_them = keys.make("gateway", tenant=ANY_TENANT)
    for tenant in ("shop", "bank"):
        headers = httpx.Headers({**any_of_them, "X-Scope-OrgID": tenant})
        assert (await client.post("/v1/alerts", json=alertmanager_body(tenant), headers=headers)).status_code == 202
        (incident,) = (await client.get("/v1/incidents", headers=headers)).json()["incidents"]
        assert incident["services"] == [tenant]
    assert (await client.get("/v1/incidents", headers=any_of_them)).json()["incidents"] == []


async def test_who_speaks_for_one_tenant_names_no_other(client: httpx.AsyncClient, keys: Keys) -> None:
    shop = keys.make("shop", tenant="shop")
    for tenant, status in (("shop", 200), ("bank", 403), ("shop|bank", 400), ("../bank", 400)):
        headers = httpx.Headers({**shop, "X-Scope-OrgID": tenant})
        assert (await client.get("/v1/incidents", headers=headers)).status_code == status


async def test_a_label_tells_whose_an_alert_is_where_the_token_leaves_it_open(
    client: httpx.AsyncClient, keys: Keys
) -> None:
    readers = {tenant: keys.make(tenant, tenant=tenant) for tenant in ("shop", "bank")}
    body = alertmanager_body("cart", "ledger", "hub")
    body["alerts"][0]["labels"]["team"], body["alerts"][1]["labels"]["team"] = "shop", "bank"
    told = await client.post("/v1/alerts", json=body, headers=keys.make("any", tenant=ANY_TENANT))
    assert len(told.json()["incidents"]) == 3
    for tenant, service in (("shop", "cart"), ("bank", "ledger")):
        (incident,) = (await client.get("/v1/incidents", headers=readers[tenant])).json()["incidents"]
        assert incident["services"] == [service]


async def test_a_label_leads_out_of_no_tenant(client: httpx.AsyncClient, keys: Keys) -> None:
    shop, bank = keys.make("shop", tenant="shop"), keys.make("bank", tenant="bank")
    body = alertmanager_body("cart")
    body["alerts"][0]["labels"]["team"] = "bank"
    await client.post("/v1/alerts", json=body, headers=shop)
    assert (await client.get("/v1/incidents", headers=bank)).json()["incidents"] == []
    assert len((await client.get("/v1/incidents", headers=shop)).json()["incidents"]) == 1


async def test_telemetry_lies_where_only_its_tenant_looks(
    client: httpx.AsyncClient, keys: Keys, tmp_path: Path
) -> None:
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "x"}}]}]}]}
    for name, tenant in (("a", "shop"), ("b", "")):
        headers = keys.make(name, Scope.INGEST, tenant=tenant)
        assert (await client.post("/v1/logs", json=body, headers=headers)).status_code == 200
    assert journals_below(tmp_path) == {"telemetry/logs", "telemetry/tenants/shop/logs"}


def journals_below(directory: Path) -> set[str]:
    return {str(path.parent.relative_to(directory)) for path in directory.rglob("*.journal")}
