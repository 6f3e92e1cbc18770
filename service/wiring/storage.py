"""From settings to the incident store, and to what it forgets."""

from collections.abc import Callable
from pathlib import Path

from service.errors import SettingsError, StoreError
from service.jobs.outage import Outage
from service.jobs.retention import Retention
from service.jobs.sqlite import SqliteStore
from service.jobs.store import IncidentStore
from service.settings import Settings


def open_store(settings: Settings, lost: Callable[[], None] = lambda: None) -> IncidentStore:
    """The incident store; ``lost`` is called when a server turns out to lack what was written to it.

    Raises `SettingsError` for a file that cannot be used and an address that cannot be meant. A server that is not
    there is told of by readiness: it may come later than we do.
    """
    if on_server(settings):
        return _on_redis(settings, lost)
    try:
        return SqliteStore(Path(settings.store))
    except StoreError as error:
        raise SettingsError(str(error)) from None


def on_server(settings: Settings) -> bool:
    """Whether the store is a server, not a file."""
    return "://" in settings.store


def has_store(settings: Settings) -> bool:
    """Whether there is a store already."""
    return on_server(settings) or Path(settings.store).exists()


def build_retention(settings: Settings, store: IncidentStore, outage: Outage) -> Retention:
    """Who lets the store forget."""
    said = settings.retention
    return Retention(store, said.keep_s, said.keep_count, said.every_s, outage)


def _on_redis(settings: Settings, lost: Callable[[], None]) -> IncidentStore:
    from service.jobs.redis.address import Address  # its client takes a while to load, and most have a file
    from service.jobs.redis.store import RedisStore

    said = settings.redis
    address = Address.of(settings.store, said.password_file, said.ca_file)
    return RedisStore(address, said.prefix, said.timeout_s, lost=lost)
