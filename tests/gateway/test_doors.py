from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import CallerError, SettingsError
from service.gateway.callers import Scope
from service.gateway.context import Gateway
from service.gateway.doors import Doors
from service.gateway.rate_limit import RateLimits
from service.gateway.tokens import TokenFile, add_token
from tests.gateway.conftest import Keys, alertmanager_body, client_of
from tests.gateway.test_alerts import assert_problem

pytestmark = pytest.mark.anyio


@pytest.fixture
def client(closed_client: httpx.AsyncClient) -> httpx.AsyncClient:
    return closed_client


NEEDED = [
    ("POST", "/v1/alerts", "ingest"),
    ("POST", "/v1/changes", "ingest"),
    ("POST", "/v1/traces", "ingest"),
    ("POST", "/v1/logs", "ingest"),
    ("POST", "/v1/metrics", "ingest"),
    ("POST", "/v1/localizations", "operate"),
    ("DELETE", "/v1/localizations/{localization_id}", "operate"),
    ("PUT", "/v1/localizations/{localization_id}/verdict", "operate"),
    ("GET", "/v1/incidents", "read"),
    ("GET", "/v1/incidents/{incident_id}", "read"),
    ("GET", "/v1/localizations/{localization_id}", "read"),
    ("GET", "/v1/localizations/{localization_id}/events", "read"),
    ("GET", "/v1/localizations/{localization_id}/transcript", "read"),
    ("GET", "/v1/localizations/{localization_id}/verdict", "read"),
    ("GET", "/v1/localizations/{localization_id}/deliveries", "read"),
    ("POST", "/v1/localizations/{localization_id}/deliveries/{target}/again", "operate"),
    ("GET", "/metrics", "read"),
    ("GET", "/openapi.json", "read"),
]


def path_with(path: str, id_: str) -> str:
    return path.replace("{incident_id}", id_).replace("{localization_id}", id_)


@pytest.mark.parametrize(("method", "path", "scope"), NEEDED)
async def test_each_route_needs_its_scope_and_no_other(
    client: httpx.AsyncClient, keys: Keys, method: str, path: str, scope: str
) -> None:
    url = path_with(path, "x")
    assert_problem(await client.request(method, url), 401)
    assert_problem(await client.request(method, url, headers={"Authorization": "Bearer hyp_wrong"}), 401)
    for other in set(Scope) - {Scope(scope)}:
        told = assert_problem(await client.request(method, url, headers=keys.make(f"only-{other}", other)), 403)
        assert scope in told
    let_in = await client.request(method, url, headers=keys.make("right", Scope(scope)))
    assert let_in.status_code not in (401, 403)


async def test_webhooks_that_are_refused_are_counted_as_webhooks(client: httpx.AsyncClient, keys: Keys) -> None:
    assert_problem(await client.post("/v1/alerts"), 401)
    metrics = (await client.get("/metrics", headers=keys.make("reader", Scope.READ))).text
    assert 'method="POST",route="/v1/alerts",status="401"} 1.0' in metrics


async def test_every_route_is_in_that_list(client: httpx.AsyncClient, keys: Keys) -> None:
    contract = (await client.get("/openapi.json", headers=keys.make("reader", Scope.READ))).json()
    routes = {(method.upper(), path) for path, methods in contract["paths"].items() for method in methods}
    assert routes - {(method, path) for method, path, _ in NEEDED} == {("GET", "/livez"), ("GET", "/readyz")}
    for method, path, scope in NEEDED[:-1]:
        assert {"bearer": [scope]} in contract["paths"][path][method.lower()]["security"]


@given(method=st.text(min_size=1), path=st.text().filter(lambda path: not path.startswith(("/livez", "/readyz"))))
def test_what_nobody_knows_needs_more_than_reading_or_is_looking(method: str, path: str) -> None:
    needed = Doors().needed(method, path)
    assert needed is not None
    assert needed is Scope.READ or method not in ("GET", "HEAD", "OPTIONS")


async def test_a_challenge_offers_bearer_alone(client: httpx.AsyncClient) -> None:
    refused = await client.get("/v1/incidents")
    assert refused.headers["www-authenticate"].startswith("Bearer")


async def test_a_token_may_come_as_the_password_of_basic(client: httpx.AsyncClient, keys: Keys) -> None:
    token = keys.make("alertmanager", Scope.INGEST)["Authorization"].removeprefix("Bearer ")
    taken = await client.post("/v1/alerts", json=alertmanager_body("cart"), auth=("whoever", token))
    assert taken.status_code == 202
    assert_problem(await client.post("/v1/alerts", json=alertmanager_body("cart"), auth=(token, "wrong")), 401)


NO_CREDENTIALS = ["", "Bearer", "Bearer ", "Basic", "Basic !!", "Basic OnB4", "Digest x", "hyp_", "Bearer \xff"]


@pytest.mark.parametrize("told", NO_CREDENTIALS)
async def test_what_is_no_credential_is_401(client: httpx.AsyncClient, told: str) -> None:
    assert_problem(await client.get("/v1/incidents", headers=[(b"authorization", told.encode("latin-1"))]), 401)


async def test_probes_are_open_and_tell_strangers_only_whether(client: httpx.AsyncClient, keys: Keys) -> None:
    assert (await client.get("/livez")).status_code == 200
    strange, known = await client.get("/readyz"), await client.get("/readyz", headers=keys.make("r", Scope.READ))
    assert strange.json()["checks"]["store"] == {"ok": True}
    assert known.json()["checks"]["store"]["found"]


async def test_metrics_are_open_where_that_is_set(closed: Gateway) -> None:
    async with client_of(replace(closed, doors=replace(closed.doors, metrics_open=True))) as client:
        assert (await client.get("/metrics")).status_code == 200
        assert_problem(await client.get("/v1/incidents"), 401)


async def test_tokens_rotate_without_a_restart(client: httpx.AsyncClient, keys: Keys) -> None:
    old, new = keys.make("old", Scope.READ), keys.make("new", Scope.READ)
    for both in (old, new):
        assert (await client.get("/v1/incidents", headers=both)).status_code == 200
    entries = keys.file.read_text().split("[[token]]")
    keys.file.write_text("[[token]]".join(entry for entry in entries if '"old"' not in entry))
    assert_problem(await client.get("/v1/incidents", headers=old), 401)
    assert (await client.get("/v1/incidents", headers=new)).status_code == 200


@pytest.mark.parametrize("spoilt", ["", "[[token]", "[[token]]\nname = 'x'\n", None])
async def test_a_file_that_is_spoilt_locks_nobody_out(
    client: httpx.AsyncClient, keys: Keys, spoilt: str | None
) -> None:
    valid = keys.make("valid", Scope.READ)
    assert (await client.get("/v1/incidents", headers=valid)).status_code == 200
    keys.file.unlink()
    if spoilt is not None:
        keys.file.write_text(spoilt)
    assert (await client.get("/v1/incidents", headers=valid)).status_code == 200


def test_a_file_is_for_its_owner_alone_and_holds_no_token(tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    token = add_token(file, "alertmanager", [Scope.INGEST], "shop")
    assert file.stat().st_mode & 0o077 == 0
    assert token not in file.read_text()
    found = TokenFile(file).find(token)
    assert found is not None
    assert (found.name, found.tenant, found.scopes) == ("alertmanager", "shop", {Scope.INGEST})


def test_a_name_is_given_once(tmp_path: Path) -> None:
    add_token(tmp_path / "t", "a", [Scope.READ])
    with pytest.raises(CallerError, match="a is in it already"):
        add_token(tmp_path / "t", "a", [Scope.READ])


@pytest.mark.parametrize("tenant", ["../x", ".hidden", "a b", "a/b", "a" * 101, "é"])
def test_a_tenant_needs_a_name_that_can_be_one(tmp_path: Path, tenant: str) -> None:
    with pytest.raises(CallerError, match="tenant"):
        add_token(tmp_path / "t", "a", [Scope.READ], tenant)


def test_a_file_that_is_none_of_tokens_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("hyp_a-token-that-somebody-wrote-here")
    with pytest.raises(SettingsError) as refused:
        TokenFile(tmp_path / "t")
    assert "somebody" not in str(refused.value)


@pytest.mark.parametrize(("method", "path", "status"), [("POST", "/v1/alerts", 503), ("GET", "/v1/incidents", 429)])
async def test_what_comes_too_fast_is_told_to_come_again(
    closed: Gateway, keys: Keys, method: str, path: str, status: int
) -> None:
    one, other = keys.make("one"), keys.make("other")
    async with client_of(replace(closed, rates=RateLimits(caller_per_s=0.001))) as client:
        for headers in (one, other):
            assert (await client.request(method, path, json={}, headers=headers)).status_code != status
        refused = await client.request(method, path, json={}, headers=one)
        assert_problem(refused, status)
        assert int(refused.headers["retry-after"]) > 0


async def test_who_looks_takes_no_alerts_place(closed: Gateway, keys: Keys) -> None:
    known = keys.make("known")
    async with client_of(replace(closed, rates=RateLimits(per_s=0.001), looking_at_once=0)) as client:
        assert_problem(await client.get("/v1/incidents", headers=known), 429)
        assert (await client.post("/v1/alerts", json=alertmanager_body("cart"), headers=known)).status_code == 202


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_no_page_of_another_site_may_do_anything(client: httpx.AsyncClient, keys: Keys, site: str) -> None:
    headers = httpx.Headers({**keys.make("known"), "Sec-Fetch-Site": site})
    assert_problem(await client.post("/v1/localizations", json={}, headers=headers), 403)
    assert (await client.get("/v1/incidents", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:8080", 200), ("127.0.0.1", 200), ("[::1]:8080", 200), ("a.localhost", 200), ("evil.example", 421)],
)
async def test_open_doors_answer_to_the_names_of_this_machine(gateway: Gateway, host: str, status: int) -> None:
    async with client_of(gateway) as client:
        assert (await client.get("/v1/incidents", headers={"Host": host})).status_code == status


async def test_no_other_site_may_read_answers(client: httpx.AsyncClient, keys: Keys) -> None:
    asks = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET", **keys.make("known")}
    for answer in (
        await client.options("/v1/incidents", headers=asks),
        await client.get("/v1/incidents", headers=asks),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_every_answer_says_what_a_browser_must_not_do(
    gateway: Gateway, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("a bug that knows of 10.1.2.3")

    async with client_of(gateway) as client:
        monkeypatch.setattr(gateway.store, "incident", broken)
        answers = {path: await client.get(path) for path in ("/livez", "/v1/incidents", "/nowhere", "/v1/incidents/x")}
    assert [answer.status_code for answer in answers.values()] == [200, 200, 404, 500]
    assert "10.1.2.3" not in answers["/v1/incidents/x"].text
    for answer in answers.values():
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
