"""Opens the stores that the contract is tried on."""

import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from service.jobs.redis.address import Address
from service.jobs.redis.store import RedisStore
from service.jobs.sqlite import SqliteStore
from service.jobs.store import IncidentStore
from tests.redis_servers import RealServer


@pytest.fixture(params=["sqlite", "redis", "valkey"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], IncidentStore]:
    """Opens the same store, again and again."""
    if request.param == "sqlite":
        return lambda: SqliteStore(tmp_path / "store.sqlite")
    server: RealServer = request.getfixturevalue(f"{request.param}_server")
    prefix = f"{secrets.token_hex(8)}:"
    return lambda: RedisStore(Address.of(server.url), prefix)


@pytest.fixture
async def store(open_store: Callable[[], IncidentStore]) -> AsyncIterator[IncidentStore]:
    opened = open_store()
    yield opened
    await opened.close()
