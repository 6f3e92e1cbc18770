from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from service.domain.window import Window
from service.ports import CHANGES, LOGS, METRICS, SPANS, TOPOLOGY

SCHEMAS = {"spans": SPANS, "logs": LOGS, "metrics": METRICS, "topology": TOPOLOGY, "changes": CHANGES}
"""The tables of a case, by name, in the order in which they are written."""


@dataclass(frozen=True, slots=True)
class CaseTables:
    """All telemetry of one case, schemas as in `service.ports`; None where a table is missing."""

    spans: pa.Table | None = None
    logs: pa.Table | None = None
    metrics: pa.Table | None = None
    topology: pa.Table | None = None
    changes: pa.Table | None = None

    def present(self) -> dict[str, pa.Table]:
        """The tables that are there, by name."""
        tables = {name: getattr(self, name) for name in SCHEMAS}
        return {name: table for name, table in tables.items() if table is not None}


def time_column(schema: pa.Schema) -> str:
    """The name of the column that places a row in time: ``start`` of spans, else ``time``."""
    return "start" if "start" in schema.names else "time"


def within(table: pa.Table, window: Window) -> pa.Table:
    """The rows that lie in the window; the table itself if all do."""
    inside = _inside(table, window)
    return table if inside.all() else table.filter(pa.array(inside))


def outside(table: pa.Table, window: Window) -> pa.Table:
    """The rows that do not lie in the window; the table itself if none does."""
    inside = _inside(table, window)
    return table.filter(pa.array(~inside)) if inside.any() else table


def _inside(table: pa.Table, window: Window) -> npt.NDArray[np.bool_]:
    column: Any = table.column(time_column(table.schema))
    times: npt.NDArray[np.int64] = column.cast(pa.int64()).to_numpy()
    return (times >= _microseconds(window.start)) & (times <= _microseconds(window.end))


def _microseconds(moment: datetime) -> np.int64:
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us").astype(np.int64)
