"""The way out. Measured against an in-memory DuckDB over the same segments (10 minutes out of an hour, one million
spans): reading the segments that overlap and cutting the edges off took 0.13 s against 0.18 s (medians), in 200 MB less
memory and without another dependency; no question of a port is more than a stretch of time.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from service.domain.alert import Alert
from service.domain.window import Window
from service.errors import BackendError
from service.ports import Telemetry
from service.stores.case_tables import SCHEMAS, within
from service.stores.columns import first_line
from service.stores.embedded.decoded import EPOCH, microseconds
from service.stores.embedded.journal import read_journal
from service.stores.embedded.segments import Segment, Shelf, read_segment, shelf
from service.stores.embedded.writer import TABLES
from service.telemetry import logger

MOST_ROWS = 1_000_000
"""More rows than this are not answered, only the newest: a process that dies of its memory answers nothing at all, and
rates are told by the time that was seen. A thousand spans a second still have a quarter of an hour to compare with.
"""

TRIES = 5
"""A journal is sealed, a segment removed while somebody reads: then it is looked at again, for those alone."""


class EmbeddedTelemetry:
    """Answers for traces, logs and metrics from a directory that another process may be writing: rows are there as
    soon as they were acknowledged, those of one answer in no particular order. Changes are kept by the incident store,
    and who calls whom is read from the spans by the view. Nothing is locked; a directory that is not there is empty.
    """

    def __init__(self, root: Path, most_rows: int = MOST_ROWS) -> None:
        self._root = root
        self._most_rows = most_rows

    @property
    def telemetry(self) -> Telemetry:
        """The ports that this store answers."""
        return Telemetry(traces=self, logs=self, metrics=self, qualified=True)

    async def spans(self, window: Window, alerting: Sequence[str] = (), traces: Sequence[str] = ()) -> pa.Table:
        """Spans that start in the window."""
        return await asyncio.to_thread(self._rows, "spans", window)

    async def logs(self, window: Window) -> pa.Table:
        """Log records of the window."""
        return await asyncio.to_thread(self._rows, "logs", window)

    async def metrics(self, window: Window, alerts: Sequence[Alert] = ()) -> pa.Table:
        """Samples of the window."""
        return await asyncio.to_thread(self._rows, "metrics", window)

    async def found(self) -> str:
        """What is there, in one line. Raises `BackendError`."""
        return await asyncio.to_thread(self._found)

    def _rows(self, name: str, window: Window) -> pa.Table:
        schema, lying, found = SCHEMAS[name], self._shelf(name), dict[int, pa.Table]()
        last = lying.last_number  # what comes later came after the question
        for _ in range(TRIES):
            overlapping = [s for s in lying.segments if s.overlaps(window) and s.number <= last]
            segments, fitting = self._newest(overlapping, window, name)
            journals = [(number, path) for number, path in lying.journals if number <= last]
            try:
                for number, table in _tables(segments, journals, schema, found):
                    found[number] = within(table, fitting)
            except FileNotFoundError:
                lying = self._shelf(name)
                continue
            return pa.concat_tables([schema.empty_table(), *(found[number] for number in sorted(found))])
        raise BackendError(f"embedded store {self._root / name}: changes faster than it can be read")

    def _newest(self, segments: Sequence[Segment], window: Window, name: str) -> tuple[Sequence[Segment], Window]:
        """As many segments as fit, the newest first, and the part of the window of which they know all."""
        left = float(self._most_rows)
        newest = sorted(segments, key=lambda segment: segment.last_us, reverse=True)
        for count, segment in enumerate(newest):
            left -= segment.rows * _share(segment, window)
            if left < 0:
                start = EPOCH + timedelta(microseconds=segment.last_us + 1)
                if not count or start >= window.end:
                    raise BackendError(f"embedded store: more than {self._most_rows} {name} at one time")
                logger("embedded").warning("%s: more than %d rows; only those since %s", name, self._most_rows, start)
                return newest[:count], Window(start, window.end)
        return segments, window

    def _shelf(self, name: str) -> Shelf:
        try:
            return shelf(self._root / name)
        except OSError as error:
            raise BackendError(f"embedded store {self._root / name}: {error.strerror or error}") from None

    def _found(self) -> str:
        lying = {name: self._shelf(name) for name in TABLES}
        parts = [f"{name}: {len(s.segments)} segments, {len(s.journals)} open" for name, s in lying.items()]
        return f"embedded store {self._root}: {'; '.join(parts)}"


def _share(segment: Segment, window: Window) -> float:
    """How much of the segment lies in the window, if its rows are spread evenly."""
    first, last = max(segment.first_us, microseconds(window.start)), min(segment.last_us, microseconds(window.end))
    return (last - first + 1) / (segment.last_us - segment.first_us + 1)


def _tables(
    segments: Sequence[Segment], journals: Sequence[tuple[int, Path]], schema: pa.Schema, known: Collection[int]
) -> Iterator[tuple[int, pa.Table]]:
    """Rows by number, but for those that are known: a journal and its segment have one. A damaged file costs its own
    rows, a minute of them, and is told of in the log.
    """
    for number, path in journals:
        if number not in known:
            yield number, _rows_of(read_journal, path, schema)
    for segment in segments:
        if segment.number not in known:
            yield segment.number, _rows_of(read_segment, segment.path, schema)


def _rows_of(read: Callable[[Path, pa.Schema], pa.Table], path: Path, schema: pa.Schema) -> pa.Table:
    try:
        return read(path, schema)
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException) as error:
        logger("embedded").warning("%s: cannot be read: %s", path, first_line(error))
        return schema.empty_table()
