from collections.abc import Sequence

import pyarrow as pa

from service.concurrency import gather
from service.domain.window import Window
from service.errors import BackendError
from service.ports import TOPOLOGY, TopologyStore
from service.stores.partial import notes_of, with_notes


class JoinedTopology:
    """What several servers know of who calls whom and what runs where, each relation once. One that fails costs what
    it knows and is told of in the table's notes.
    """

    def __init__(self, stores: Sequence[TopologyStore]) -> None:
        self._stores = stores

    async def topology(self, window: Window) -> pa.Table:
        """Relations known for the window. Raises `BackendError` if nobody answers."""
        told = await gather(*(_asked(store, window) for store in self._stores))
        tables = [answer for answer in told if isinstance(answer, pa.Table)]
        failures = [answer for answer in told if isinstance(answer, BackendError)]
        if failures and not tables:
            raise failures[0]
        notes = [*map(str, failures), *(note for table in tables for note in notes_of(table))]
        rows = dict.fromkeys(tuple(row.values()) for table in tables for row in table.to_pylist())
        joined = pa.Table.from_pylist([dict(zip(TOPOLOGY.names, row, strict=True)) for row in rows], schema=TOPOLOGY)
        return with_notes(joined, notes)


async def _asked(store: TopologyStore, window: Window) -> pa.Table | BackendError:
    try:
        return await store.topology(window)
    except BackendError as error:
        return error
