import asyncio
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from service.domain.alert import Alert
from service.domain.incident import Incident
from service.domain.window import Window
from service.ports import Telemetry
from service.stores.case_files import check_table, read_incident, read_table
from service.stores.case_tables import SCHEMAS, within


@dataclass(frozen=True, slots=True)
class RecordedCase:
    """One recorded incident: what the alert told, and stores that answer from its tables. The truth is not opened."""

    incident: Incident
    telemetry: Telemetry

    @classmethod
    def open(cls, directory: Path) -> "RecordedCase":
        """The case in that directory (case/1); tables are checked now and read when they are first asked for.

        Raises `CaseError`, one line, if the directory is not such a case. A table that turns out to be damaged
        beyond its footer raises it from the store that reads it.
        """
        incident = read_incident(directory)
        paths = {name: directory / f"{name}.parquet" for name in SCHEMAS}
        present = {name: path for name, path in paths.items() if os.path.lexists(path)}
        for name, path in present.items():
            check_table(path, SCHEMAS[name])
        return cls(incident=incident, telemetry=_RecordedTelemetry(present).telemetry)


class _RecordedTelemetry:
    """Answers the ports from parquet files, each read once, in a thread, because reading blocks."""

    def __init__(self, paths: dict[str, Path]) -> None:
        self._paths = paths
        self._tables: dict[str, pa.Table] = {}
        self._locks = {name: threading.Lock() for name in paths}

    @property
    def telemetry(self) -> Telemetry:
        return Telemetry(
            traces=self if "spans" in self._paths else None,
            logs=self if "logs" in self._paths else None,
            metrics=self if "metrics" in self._paths else None,
            changes=self if "changes" in self._paths else None,
            topology=self if "topology" in self._paths else None,
        )

    async def spans(self, window: Window, alerting: Sequence[str] = (), traces: Sequence[str] = ()) -> pa.Table:
        return await asyncio.to_thread(self._rows, "spans", window)

    async def logs(self, window: Window) -> pa.Table:
        return await asyncio.to_thread(self._rows, "logs", window)

    async def metrics(self, window: Window, alerts: Sequence[Alert] = ()) -> pa.Table:
        return await asyncio.to_thread(self._rows, "metrics", window)

    async def changes(self, window: Window) -> pa.Table:
        return await asyncio.to_thread(self._rows, "changes", window)

    async def topology(self, window: Window) -> pa.Table:
        return await asyncio.to_thread(self._table, "topology")

    def _rows(self, name: str, window: Window) -> pa.Table:
        return within(self._table(name), window)

    def _table(self, name: str) -> pa.Table:
        with self._locks[name]:
            if name not in self._tables:
                self._tables[name] = read_table(self._paths[name], SCHEMAS[name])
            return self._tables[name]
