from collections.abc import Sequence

import pyarrow as pa

from service.domain.alert import Alert
from service.domain.window import Window
from service.ports import Telemetry
from service.stores.case_tables import SCHEMAS, CaseTables, within
from service.stores.columns import conform


class InMemoryTelemetry:
    """Answers every telemetry port from tables in memory: the fake beside the real stores.

    Raises `service.errors.CaseError` if the tables are not those of `service.ports`.
    """

    def __init__(self, tables: CaseTables) -> None:
        self._tables = {name: conform(table, SCHEMAS[name], name) for name, table in tables.present().items()}

    @property
    def telemetry(self) -> Telemetry:
        """The ports that these tables can answer; None where one is missing."""
        return Telemetry(
            traces=self if "spans" in self._tables else None,
            logs=self if "logs" in self._tables else None,
            metrics=self if "metrics" in self._tables else None,
            changes=self if "changes" in self._tables else None,
            topology=self if "topology" in self._tables else None,
        )

    async def spans(self, window: Window, alerting: Sequence[str] = (), traces: Sequence[str] = ()) -> pa.Table:
        """Spans that start in the window."""
        return within(self._tables["spans"], window)

    async def logs(self, window: Window) -> pa.Table:
        """Log records of the window."""
        return within(self._tables["logs"], window)

    async def metrics(self, window: Window, alerts: Sequence[Alert] = ()) -> pa.Table:
        """Samples of the window."""
        return within(self._tables["metrics"], window)

    async def changes(self, window: Window) -> pa.Table:
        """Changes of the window."""
        return within(self._tables["changes"], window)

    async def topology(self, window: Window) -> pa.Table:
        """Who calls whom and what runs where, the same at all times."""
        return self._tables["topology"]
