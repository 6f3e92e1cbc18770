"""What is said of a server that does not do what is asked, brought about on the real ones."""

import asyncio
import secrets
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ConnectionError, ResponseError

from model_store.ports import held_ports
from service.errors import StoreError
from service.jobs.records import Ending, IncidentQuery
from service.jobs.redis.address import Address
from service.jobs.redis.store import PREFIX, RedisStore
from service.jobs.redis.trouble import LONGEST, in_words, permissions
from tests.conftest import REPOSITORY
from tests.jobs.conftest import MakeServer
from tests.jobs.test_redis import HURRY_S, NOW, accepted, client_of
from tests.redis_servers import RealServer
from tests.waiting import LIMIT_S

pytestmark = pytest.mark.anyio


async def complaint(address: str, password_file: Path | None = None, timeout_s: float = LIMIT_S) -> str:
    """What is said of the server when something is to be stored; without its name, which stands before."""
    said = await outcome(address, password_file, timeout_s)
    assert said, "it was stored"
    return said


async def outcome(address: str, password_file: Path | None = None, timeout_s: float = LIMIT_S) -> str:
    """The complaint; "" if there is none."""
    store = RedisStore(Address.of(address, password_file), "p:", timeout_s)
    try:
        await accepted(store, "cart")
    except StoreError as refused:
        name, said = str(refused).split(" ", 2)[1:]
        assert name == f"{Address.of(address).shown}:"
        return said
    finally:
        await store.close()
    return ""


async def order(server: RealServer, command: str) -> None:
    client = client_of(server)
    try:
        await client.execute_command(*command.split())
    finally:
        await client.aclose()


@asynccontextmanager
async def answering(answer: bytes, tls: ssl.SSLContext | None = None) -> AsyncGenerator[str]:
    """The address of something that answers whatever it is asked like this, and is gone."""

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer:
            await reader.read(1)
        writer.write(answer)
        writer.close()

    listening = await asyncio.start_server(answers, "127.0.0.1", 0, ssl=tls)
    async with listening:
        yield f"redis://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


async def test_a_server_that_is_not_there_cannot_be_reached_and_why() -> None:
    with held_ports(1) as (port,):
        assert await complaint(f"redis://127.0.0.1:{port}") == "cannot be reached: Connection refused"
    nowhere = await complaint("redis://no-such-host.invalid", timeout_s=HURRY_S)
    assert nowhere.startswith("cannot be reached: ") or nowhere.startswith("no answer within")
    assert "Error" not in nowhere


async def test_what_is_no_redis_is_told_of(server: RealServer) -> None:
    async with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as web:
        assert (await complaint(web)).startswith("is no Redis or Valkey")
        assert await complaint(web.replace("redis", "rediss")) == "cannot be reached: it does not speak TLS there"
    async with answering(b"") as shut:
        assert (await complaint(shut)).startswith("broke the connection off")


async def test_a_password_is_wanted_or_refused(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server("--requirepass", "s3cret")
    assert await complaint(server.url) == "wants a password: set redis.password_file"
    file = tmp_path / "password"
    file.write_text("wr0ng")
    assert (await complaint(server.url, file)).startswith("refuses the password")


async def test_a_server_that_is_full_says_what_to_give_or_to_keep(server: RealServer) -> None:
    await order(server, "CONFIG SET maxmemory 1000")
    assert (await complaint(server.url)).startswith("is full: give it more memory (maxmemory), or keep less")


async def test_a_replica_is_not_the_primary(server: RealServer, make_server: MakeServer) -> None:
    replica = make_server("--replicaof", f"127.0.0.1 {server.port}")
    assert await complaint(replica.url) == "is a read-only replica, should be the primary"


async def test_a_server_that_wants_replicas_it_has_not_takes_nothing(server: RealServer) -> None:
    await order(server, "CONFIG SET min-replicas-to-write 1")
    assert "min-replicas-to-write" in await complaint(server.url)


async def test_a_part_of_a_cluster_is_no_single_primary(make_server: MakeServer) -> None:
    with held_ports(2) as buses:
        for kind, bus in zip(("redis", "valkey"), buses, strict=True):
            part = make_server("--cluster-enabled", "yes", "--cluster-port", str(bus), kind=kind)
            assert await complaint(part.url) == "is a cluster, should be a single primary"


async def test_while_it_loads_it_says_so(make_server: MakeServer) -> None:
    slowly = ("--enable-debug-command", "yes", "--key-load-delay", "200000")
    server = make_server(*slowly, "--loading-process-events-interval-bytes", "1024")
    for number in range(100):
        await order(server, f"SET other:{number} {secrets.token_hex(2000)}")
    loading, said = asyncio.create_task(order(server, "DEBUG RELOAD")), ""
    while not loading.done() and not said:
        said = await outcome(server.url)  # it may not have begun
    assert said == "is loading its data set: it can be used when that is done"
    loading.cancel()
    with suppress(asyncio.CancelledError):
        await loading


@pytest.mark.parametrize("allowed", ["~p:* &p:* +@all -@scripting", "~p:* &p:* +evalsha +script", "~other:* +@all"])
async def test_a_user_who_may_not_do_it_is_told_what_has_to_be_allowed(server: RealServer, allowed: str) -> None:
    await order(server, f"ACL SETUSER hypocenter on >s3cret {allowed}")
    address = server.url.replace("//", "//hypocenter:s3cret@")
    assert permissions("p:") in await complaint(address)
    await order(server, f"ACL SETUSER hypocenter reset on >s3cret {permissions('p:')}")
    await work_through(RedisStore(Address.of(address), "p:", timeout_s=LIMIT_S))


def test_the_runbook_says_what_its_user_has_to_be_allowed() -> None:
    assert f"`{permissions(PREFIX)}`" in (REPOSITORY / "deploy" / "RUNBOOK.md").read_text()


async def work_through(store: RedisStore) -> None:
    """Something of everything that is asked of a server."""
    await accepted(store, "cart")
    claim = await store.claim("w", 10, NOW)
    assert claim is not None
    await store.finish(claim.lease, Ending("{}"), NOW, ["hook"])
    assert await store.claim_delivery("w", 10, NOW, ["hook"]) is not None
    assert (await store.incidents(IncidentQuery())).incidents
    assert await store.forget(NOW + timedelta(seconds=1), 3600, 10) == 0
    assert await store.check()
    await store.close()


async def test_reading_a_password_is_no_reason_for_a_line_of_the_log(
    make_server: MakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    server = make_server("--requirepass", "s3cret")
    store = RedisStore(Address.of(server.url.replace("//", "//:s3cret@")), timeout_s=LIMIT_S)
    await store.check()
    await store.close()
    assert caplog.messages == []


@given(st.sampled_from([ConnectionError, ResponseError, OSError]), st.text())
def test_whatever_a_server_says_is_one_short_line(kind: Callable[[str], ResponseError | OSError], text: str) -> None:
    said = in_words(kind(text), 1.0, "p:")
    assert said
    assert len(said.splitlines()) == 1
    assert len(said) <= LONGEST


async def test_what_was_to_be_stored_is_not_repeated(make_server: MakeServer) -> None:
    said = await complaint(make_server("--rename-command", "EVALSHA", "").url)
    assert said.startswith("does not know all commands that are needed")
    assert "cart" not in said
