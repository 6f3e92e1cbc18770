from pathlib import Path

import pytest

from service.errors import SettingsError, StoreError
from service.jobs.outage import Outage
from service.jobs.redis.store import RedisStore
from service.jobs.sqlite import SqliteStore
from service.settings import Settings
from service.settings.groups import RedisSettings, RetentionSettings
from service.wiring.storage import build_retention, has_store, on_server, open_store
from tests.redis_servers import RealServer
from tests.waiting import LIMIT_S

pytestmark = pytest.mark.anyio


async def test_a_path_is_a_file_of_sqlite_that_is_made_when_it_is_opened(tmp_path: Path) -> None:
    settings = Settings(store=str(tmp_path / "store.sqlite"))
    assert not on_server(settings)
    assert not has_store(settings)
    store = open_store(settings)
    assert isinstance(store, SqliteStore)
    assert str(tmp_path / "store.sqlite") in await store.check()
    await store.close()
    assert has_store(settings)


def test_a_file_that_cannot_be_used_is_an_error_of_settings(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is a directory, should be a file"):
        open_store(Settings(store=str(tmp_path)))


async def test_an_address_is_a_server_whose_password_is_in_a_file(redis_server: RealServer, tmp_path: Path) -> None:
    settings = Settings(store=redis_server.url, redis=RedisSettings(prefix="other:", timeout_s=LIMIT_S))
    assert on_server(settings)
    assert has_store(settings)
    store = open_store(settings)
    assert isinstance(store, RedisStore)
    assert (await store.check()).startswith("Redis ")
    await store.close()
    guarded = open_store(Settings(store=redis_server.url, redis=RedisSettings(password_file=tmp_path / "absent")))
    with pytest.raises(StoreError, match=r"password .*absent"):
        await guarded.check()
    await guarded.close()


async def test_a_server_that_is_not_there_may_come_later(tmp_path: Path) -> None:
    store = open_store(Settings(store="redis://127.0.0.1:1", redis=RedisSettings(timeout_s=0.5)))
    with pytest.raises(StoreError, match=r"redis://127\.0\.0\.1:1/0"):
        await store.check()
    await store.close()


@pytest.mark.parametrize("address", ["redis://:hush@/0", "http://127.0.0.1:6379", "redis://:hush@127.0.0.1:x"])
def test_an_address_that_cannot_be_meant_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(SettingsError, match="should be a path or redis") as refused:
        open_store(Settings(store=address))
    assert "hush" not in str(refused.value)


def test_what_is_kept_is_as_the_settings_say(tmp_path: Path) -> None:
    said = RetentionSettings(keep_s=60, keep_count=7, every_s=0.5)
    store = SqliteStore(tmp_path / "store.sqlite")
    built = build_retention(Settings(retention=said), store, Outage())
    assert (built.store, built.keep_s, built.keep_count, built.every_s) == (store, 60, 7, 0.5)
