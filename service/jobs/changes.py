from typing import Any

import pyarrow as pa

from service.domain.window import Window
from service.errors import BackendError, StoreError
from service.jobs.store import IncidentStore
from service.ports import CHANGES, ChangeStore


class ToldChanges:
    """A `service.ports.ChangeStore` of the changes that hypocenter was told of, beside those of another source."""

    def __init__(self, store: IncidentStore, tenant: str, beside: ChangeStore | None = None) -> None:
        self._store = store
        self._tenant = tenant
        self._beside = beside

    async def changes(self, window: Window) -> pa.Table:
        """Both, in order of time."""
        try:
            told = await self._store.changes(self._tenant, window)
        except StoreError as error:
            raise BackendError(str(error)) from None
        rows = [{"time": c.time, "service": c.service, "kind": c.kind, "summary": c.summary} for c in told]
        table = pa.Table.from_pylist(rows, schema=CHANGES)
        if self._beside is None:
            return table
        both: Any = pa.concat_tables([await self._beside.changes(window), table])  # its stubs are partial
        return both.sort_by("time")
