from dataclasses import dataclass

import pyarrow as pa

from service.domain.window import Window
from service.ports import CHANGES, LOGS, METRICS, SPANS, TOPOLOGY, Telemetry
from service.stores.case_tables import CaseTables, within
from service.stores.columns import conform


@dataclass(frozen=True, slots=True)
class InMemoryTelemetry:
    """Answers every telemetry port from tables in memory; a missing table makes its port None in `telemetry`."""

    tables: CaseTables

    @property
    def telemetry(self) -> Telemetry:
        """The ports that these tables can answer."""
        return Telemetry(
            traces=None if self.tables.spans is None else self,
            logs=None if self.tables.logs is None else self,
            metrics=None if self.tables.metrics is None else self,
            changes=None if self.tables.changes is None else self,
            topology=None if self.tables.topology is None else self,
        )

    async def spans(self, window: Window) -> pa.Table:
        """Spans that start in the window."""
        return within(_held(self.tables.spans, SPANS), window)

    async def logs(self, window: Window) -> pa.Table:
        """Log records of the window."""
        return within(_held(self.tables.logs, LOGS), window)

    async def metrics(self, window: Window) -> pa.Table:
        """Samples of the window."""
        return within(_held(self.tables.metrics, METRICS), window)

    async def changes(self, window: Window) -> pa.Table:
        """Changes of the window."""
        return within(_held(self.tables.changes, CHANGES), window)

    async def topology(self, window: Window) -> pa.Table:
        """Who calls whom and what runs where, the same at all times."""
        return _held(self.tables.topology, TOPOLOGY)


def _held(table: pa.Table | None, schema: pa.Schema) -> pa.Table:
    return schema.empty_table() if table is None else conform(table, schema, "memory")
