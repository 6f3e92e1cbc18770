"""A real Redis behind TLS."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from model_store.ports import held_ports
from service.errors import StoreError
from service.jobs.redis.address import Address
from service.jobs.redis.store import RedisStore
from tests.certificates import Authority
from tests.jobs.conftest import MakeServer
from tests.jobs.test_redis import accepted
from tests.waiting import LIMIT_S

pytestmark = pytest.mark.anyio


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority").found()


@pytest.fixture
def url(make_server: MakeServer, authority: Authority) -> Iterator[str]:
    certificate, key = authority.issue("redis")
    files = ["--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
    trust = ["--tls-ca-cert-file", str(authority.certificate), "--tls-auth-clients", "no"]
    with held_ports(1) as (port,):
        make_server("--tls-port", str(port), *files, *trust)
        yield f"rediss://127.0.0.1:{port}"


async def told(address: Address) -> None:
    store = RedisStore(address, "p:", timeout_s=LIMIT_S)
    try:
        await accepted(store, "cart")
    finally:
        await store.close()


async def test_incidents_are_kept_where_its_authority_is_trusted(url: str, authority: Authority) -> None:
    await told(Address.of(url, ca_file=authority.certificate))


async def test_who_does_not_trust_its_authority_tells_it_nothing(url: str) -> None:
    with pytest.raises(StoreError, match=r"its certificate is not trusted .*: see redis.ca_file"):
        await told(Address.of(url))
