"""What only a server does: it dies, hangs, is full, or is not the one that it was. Tried on the real ones."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from service.domain.alert import Alert
from service.errors import SettingsError, StoreError
from service.jobs.grouping import Notification
from service.jobs.records import Ending, IncidentQuery, Receipt
from service.jobs.redis.address import Address
from service.jobs.redis.health import described
from service.jobs.redis.store import RedisStore
from tests.jobs.conftest import MakeServer
from tests.redis_servers import RealServer
from tests.waiting import LIMIT_S, until

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
HURRY_S = 1.0
"""Time enough for a server that answers at all, as a rule; who needs it always asks again."""

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(server: RealServer) -> AsyncIterator[RedisStore]:
    opened = open_store(server)
    yield opened
    await opened.close()


def open_store(
    server: RealServer, prefix: str = "p:", lost: Callable[[], None] = lambda: None, timeout_s: float = LIMIT_S
) -> RedisStore:
    return RedisStore(Address.of(server.url), prefix, timeout_s, lost=lost)


async def is_well(store: RedisStore) -> bool:
    try:
        await store.check()
    except StoreError:
        return False
    return True


def client_of(server: RealServer) -> Any:
    """A client of it beside the store's; its stubs are partial."""
    return Redis(port=server.port)


async def accepted(store: RedisStore, service: str, tenant: str = "") -> Receipt:
    alert = Alert(f"f-{service}", NOW, None, {"service": service})
    (receipt,) = await store.accept(Notification(tenant, f"group of {service}", (alert,)), NOW)
    return receipt


async def test_what_was_acknowledged_is_there_after_the_server_was_killed(
    server: RealServer, store: RedisStore
) -> None:
    receipts = await asyncio.gather(*(accepted(store, f"s{n}") for n in range(20)))
    server.kill()
    with pytest.raises(StoreError):
        await accepted(store, "meanwhile")
    server.start()
    page = await store.incidents(IncidentQuery())
    assert {incident.id for incident in page.incidents} == {receipt.incident_id for receipt in receipts}
    assert (await accepted(store, "s0")).incident_id == receipts[0].incident_id
    assert "LOST" not in await store.check()


async def test_a_server_that_hangs_costs_a_limit_and_no_more(server: RealServer, store: RedisStore) -> None:
    receipt, hurried = await accepted(store, "before"), open_store(server, timeout_s=HURRY_S)
    await until(partial(is_well, hurried))  # with a connection that will hang
    server.pause()
    calls = (
        accepted(hurried, "cart"),
        hurried.claim("w", 10, NOW),
        hurried.incidents(IncidentQuery()),
        hurried.localization("", receipt.localization_id),
        hurried.check(),
        hurried.forget(NOW, 1, 1),
    )
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(end) for end in ended] == [StoreError] * len(calls)
    server.resume()
    await until(partial(is_well, hurried))
    assert (await accepted(store, "before")).incident_id == receipt.incident_id
    await hurried.close()


async def test_who_watches_is_woken_from_another_process_s_store(server: RealServer, store: RedisStore) -> None:
    other = RedisStore(Address.of(server.url), "p:", poll_s=3600)
    with other.watch("queue") as watch:
        waiting = asyncio.create_task(watch.next(3600))

        async def is_woken() -> bool:
            await accepted(store, secrets.token_hex(4))
            return waiting.done()

        await until(is_woken)  # the first rings may come before it listens
    await other.close()


async def test_two_stores_on_one_server_make_one_incident_of_one_group(server: RealServer, store: RedisStore) -> None:
    other = open_store(server)
    receipts = await asyncio.gather(*(accepted(one, "cart") for _ in range(30) for one in (store, other)))
    assert len({receipt.incident_id for receipt in receipts}) == 1
    assert sum(receipt.queued for receipt in receipts) == 1
    claims = await asyncio.gather(store.claim("one", 10, NOW), other.claim("two", 10, NOW))
    assert sum(claim is not None for claim in claims) == 1
    await other.close()


async def test_a_server_that_is_full_takes_nothing_half_and_is_emptied_by_forgetting(make_server: MakeServer) -> None:
    server = make_server()
    store = open_store(server)
    over = await accepted(store, "over")
    claim = await store.claim("w", 10, NOW)
    assert claim is not None
    await store.finish(claim.lease, Ending("{}", "x" * 6_000_000), NOW)
    ended = Alert("f-over", NOW, NOW + timedelta(minutes=1), {"service": "over"})
    await store.accept(Notification("", "group of over", (ended,)), NOW)
    await fill(server)
    with pytest.raises(StoreError, match="maxmemory"):
        await accepted(store, "cart")
    assert [i.id for i in (await store.incidents(IncidentQuery())).incidents] == [over.incident_id]
    assert await store.forget(NOW + timedelta(days=1), 60, 10) == 1
    await until(partial(accepts, store))  # memory is given back by a thread of the server's
    await store.close()


async def fill(server: RealServer) -> None:
    """Leave it less than the six megabytes that it keeps; what it holds besides, for connections, comes and goes."""
    client = client_of(server)
    empty = (await client.info("memory"))["used_memory_startup"]
    await client.config_set("maxmemory", empty + 4_000_000)
    await client.aclose()


async def accepts(store: RedisStore) -> bool:
    try:
        await accepted(store, "cart")
    except StoreError:
        return False
    return True


async def test_a_server_that_comes_back_empty_is_noticed_and_told_of(
    server: RealServer, caplog: pytest.LogCaptureFixture
) -> None:
    losses: list[None] = []
    store = open_store(server, lost=lambda: losses.append(None))
    before = await accepted(store, "cart")
    client = client_of(server)
    await client.flushall()
    with caplog.at_level(logging.ERROR):
        again = await accepted(store, "cart")
    assert again.incident_id != before.incident_id, "what still fires opens a new incident"
    assert again.queued
    assert len(losses) == 1
    assert "is not the server that was written to: it is empty" in caplog.text
    assert "LOST what was written to it" in await store.check()
    await accepted(store, "pay")
    assert len(losses) == 1
    await client.aclose()
    await store.close()


async def test_a_server_that_went_back_is_noticed(server: RealServer) -> None:
    losses: list[None] = []
    store = open_store(server, lost=lambda: losses.append(None))
    for service in ("a", "b", "c"):
        await accepted(store, service)
    client = client_of(server)
    await client.set("p:seq", 2)  # as a replica that had not heard of the last
    await store.claim("w", 10, NOW)
    assert len(losses) == 1
    assert "it went back from 6 to 2" in await store.check()
    await client.aclose()
    await store.close()


async def test_readiness_says_that_every_write_is_flushed(server: RealServer, store: RedisStore) -> None:
    told = await store.check()
    assert "flushed at every write" in told
    assert "NOT DURABLE" not in told
    assert server.url in told


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("appendonly", "no", "NOT DURABLE: appendonly should be yes"),
        ("appendfsync", "everysec", "NOT DURABLE: appendfsync is everysec, should be always"),
        ("maxmemory-policy", "allkeys-lru", "maxmemory-policy is allkeys-lru, should be noeviction"),
    ],
)
async def test_readiness_says_what_the_server_should_be_configured_as(
    make_server: MakeServer, option: str, value: str, told: str
) -> None:
    store = open_store(make_server(f"--{option}", value))
    assert told in await store.check()
    await store.close()


async def test_where_the_configuration_may_not_be_read_readiness_says_so(make_server: MakeServer) -> None:
    store = open_store(make_server("--rename-command", "CONFIG", ""))
    assert "CONFIG is forbidden" in await store.check()
    await store.close()


def test_a_server_that_cannot_hold_the_store_is_refused() -> None:
    with pytest.raises(StoreError, match=r"is Redis 6\.2\.1, should be 7 or newer"):
        described("redis://h:1/0", {"redis_version": "6.2.1"}, None)
    with pytest.raises(StoreError, match="is a replica"):
        described("redis://h:1/0", {"redis_version": "7.2.0", "role": "slave"}, None)


async def test_the_password_of_the_file_is_taken_and_never_shown(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server("--requirepass", "s3cret")
    file = tmp_path / "password"
    file.write_text("wr0ng\n")
    store = RedisStore(Address.of(server.url, password_file=file), timeout_s=LIMIT_S)
    with pytest.raises(StoreError) as refused:
        await store.check()
    assert "wr0ng" not in str(refused.value)
    file.write_text("s3cret\n")
    assert "s3cret" not in await store.check()
    await store.close()


async def test_a_password_in_the_address_is_taken_and_never_shown(make_server: MakeServer) -> None:
    server = make_server("--requirepass", "s3cret")
    address = Address.of(server.url.replace("//", "//:s3cret@"))
    assert "s3cret" not in repr(address)
    store = RedisStore(address, timeout_s=LIMIT_S)
    assert "s3cret" not in await store.check()
    await store.close()


@pytest.mark.parametrize(
    "url",
    ["redis://", "redis://:s3cret@", "redis://h:s3cret", "redis://h/s3cret", "http://h/?s3cret", "redis://h?db=s3cret"],
)
def test_an_address_that_is_none_is_one_clear_line_without_it(url: str) -> None:
    with pytest.raises(SettingsError, match="should be a path or redis") as refused:
        Address.of(url)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("tenants", [("a:b", "a"), ("a", "a:b"), ("%3A", ":"), ("", "a")])
async def test_no_name_of_a_tenant_reaches_into_another_s_keys(
    redis_server: RealServer, tenants: tuple[str, str]
) -> None:
    store = open_store(redis_server, f"{secrets.token_hex(8)}:")
    first, second = tenants
    alerts = [Alert("b:f", NOW, None, {"service": "b:s"}), Alert("f", NOW, None, {"service": "s"})]
    (ours,) = await store.accept(Notification(first, "b:g", (alerts[0],)), NOW)
    (theirs,) = await store.accept(Notification(second, "g", (alerts[1],)), NOW)
    assert ours.incident_id != theirs.incident_id
    assert [i.id for i in (await store.incidents(IncidentQuery(tenant=second))).incidents] == [theirs.incident_id]
    await store.close()


async def test_text_that_is_no_text_is_kept_without_harm(redis_server: RealServer) -> None:
    store = open_store(redis_server, f"{secrets.token_hex(8)}:")
    alert = Alert("f\ud800", NOW, None, {"service": "s\x00\ud800", "note": "\u202e\ud800"})
    (receipt,) = await store.accept(Notification("t\ud800", "g\ud800", (alert,)), NOW)
    claim = await store.claim("w", 10, NOW)
    assert claim is not None
    await store.fail(claim.lease, "error \ud800", NOW, NOW)
    assert claim.incident.alerts == (alert,)
    assert claim.incident.id == receipt.incident_id
    await store.close()
