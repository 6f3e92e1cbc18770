import pyarrow as pa
import pytest

from service.domain.window import Window
from service.errors import BackendError
from service.jobs.changes import ToldChanges
from service.jobs.records import Change
from service.jobs.sqlite import SqliteStore
from service.stores.partial import notes_of, with_notes
from tests.telemetry_rows import at, changes

pytestmark = pytest.mark.anyio

WINDOW = Window(at(-10), at(10))


@pytest.fixture
async def store(store: SqliteStore) -> SqliteStore:
    """It was told of a change."""
    await store.add_changes("", [Change(at(5), "cart", "deploy", "cart 1.2")])
    return store


class Partly:
    """Another source, which knows one change and says that there may be more."""

    async def changes(self, window: Window) -> pa.Table:
        return with_notes(changes({"time": at(2), "service": "pay"}), ["nodes not read"])


class Down:
    """Another source, which does not answer."""

    async def changes(self, window: Window) -> pa.Table:
        raise BackendError("Kubernetes did not answer within 8 s")


async def test_changes_of_both_sources_are_in_order_with_what_the_other_says_is_missing(store: SqliteStore) -> None:
    both = await ToldChanges(store, "", Partly()).changes(WINDOW)
    assert both.column("service").to_pylist() == ["pay", "cart"]
    assert notes_of(both) == ("nodes not read",)


async def test_what_was_told_here_is_seen_also_where_the_other_source_fails(store: SqliteStore) -> None:
    alone = await ToldChanges(store, "", Down()).changes(WINDOW)
    assert alone.column("service").to_pylist() == ["cart"]
    assert notes_of(alone) == ("Kubernetes did not answer within 8 s",)
