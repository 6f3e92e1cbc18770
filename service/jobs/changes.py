from typing import Any

import pyarrow as pa

from service.domain.window import Window
from service.errors import BackendError, StoreError
from service.jobs.store import IncidentStore
from service.ports import CHANGES, ChangeStore
from service.stores.partial import bare, notes_of, with_notes


class ToldChanges:
    """A `service.ports.ChangeStore` of the changes that hypocenter was told of, beside those of another source."""

    def __init__(self, store: IncidentStore, tenant: str, beside: ChangeStore | None = None) -> None:
        self._store = store
        self._tenant = tenant
        self._beside = beside

    async def changes(self, window: Window) -> pa.Table:
        """Both, in order of time; what was told here also where the other source fails."""
        try:
            told = await self._store.changes(self._tenant, window)
        except StoreError as error:
            raise BackendError(str(error)) from None
        rows = [{"time": c.time, "service": c.service, "kind": c.kind, "summary": c.summary} for c in told]
        table = pa.Table.from_pylist(rows, schema=CHANGES)
        if self._beside is None:
            return table
        try:
            beside = await self._beside.changes(window)
        except BackendError as error:
            return with_notes(table, [str(error)])
        both: Any = pa.concat_tables([bare(beside), table])  # its stubs are partial
        return with_notes(both.sort_by("time"), notes_of(beside))
