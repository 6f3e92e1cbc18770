import asyncio

import pyarrow as pa
import pytest

from service.domain.window import Window
from service.errors import BackendError
from service.ports import TOPOLOGY
from service.stores.joined_topology import JoinedTopology
from service.stores.partial import bare, notes_of, with_notes
from tests.telemetry_rows import WINDOW, topology

CALLS = {"source": "a", "target": "b"}
RUNS = {"source": "b", "target": "n1", "relation": "runs_on"}


class Told:
    """Knows some relations, or fails."""

    def __init__(self, *rows: dict[str, str], note: str = "", error: str = "") -> None:
        self.table = with_notes(topology(*rows), [note] if note else [])
        self.error = error

    async def topology(self, window: Window) -> pa.Table:
        assert window == WINDOW
        if self.error:
            raise BackendError(self.error)
        return self.table


def joined(*stores: Told) -> pa.Table:
    return asyncio.run(JoinedTopology(stores).topology(WINDOW))


def test_each_relation_is_there_once_whoever_knows_it() -> None:
    table = joined(Told(CALLS, RUNS), Told(), Told(CALLS))
    assert table.schema.equals(TOPOLOGY)
    assert table.to_pylist() == topology(CALLS, RUNS).to_pylist()


def test_who_fails_costs_what_it_knows_and_is_told_of() -> None:
    table = joined(Told(CALLS, note="half of it"), Told(RUNS, error="Jaeger is gone"))
    assert notes_of(table) == ("Jaeger is gone", "half of it")
    assert bare(table).to_pylist() == topology(CALLS).to_pylist()


def test_where_nobody_answers_there_is_an_error() -> None:
    with pytest.raises(BackendError, match="Jaeger is gone"):
        joined(Told(error="Jaeger is gone"), Told(error="Kubernetes too"))
