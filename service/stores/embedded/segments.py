"""Parquet files of one table: written aside, flushed, renamed into place, never changed, at last unlinked.

``0000000042_1790000000000000_1790000060000000_1234.parquet``: number, first and last time in µs, rows. A journal of the
same number holds the same rows; it is there until its segment is.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from service.domain.window import Window
from service.stores.case_tables import time_column
from service.stores.columns import first_line
from service.stores.embedded.decoded import microseconds
from service.stores.embedded.journal import flush_directory, of_schema, read_journal
from service.telemetry import logger

_compute: Any = pc
_parquet: Any = pq

_SEGMENT = re.compile(r"(\d{10})_(\d{1,19})_(\d{1,19})_(\d{1,19})\.parquet")
_JOURNAL = re.compile(r"(\d{10})\.journal")
ASIDE = ".tmp"
DAMAGED = ".damaged"
ROW_GROUP = 65_536
_UNIQUE = frozenset({"trace_id", "span_id", "parent_span_id", "body", "start", "time", "duration_us", "value"})
"""Columns that hardly repeat: a dictionary of them costs time and saves nothing."""


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """A segment as its name tells it."""

    number: int
    first_us: int
    last_us: int
    rows: int
    path: Path

    def overlaps(self, window: Window) -> bool:
        """Whether rows of the window may be in it."""
        return self.first_us <= microseconds(window.end) and microseconds(window.start) <= self.last_us


@dataclass(frozen=True, slots=True)
class Shelf:
    """What lies in a table's directory, by number; no row is in both."""

    segments: tuple[Segment, ...]
    journals: tuple[tuple[int, Path], ...]

    @property
    def last_number(self) -> int:
        """The highest number in use, 0 if none is."""
        return max([*(s.number for s in self.segments), *(n for n, _ in self.journals)], default=0)


def shelf(directory: Path) -> Shelf:
    """What lies there now; nothing where there is no directory. Other files are passed over."""
    try:
        names = sorted(os.listdir(directory))
    except FileNotFoundError:
        return Shelf((), ())
    matches = [(name, match) for name in names if (match := _SEGMENT.fullmatch(name))]
    segments = tuple(Segment(*map(int, match.groups()), path=directory / name) for name, match in matches)
    sealed = {segment.number for segment in segments}
    journals = [(int(match[1]), directory / name) for name in names if (match := _JOURNAL.fullmatch(name))]
    return Shelf(segments, tuple((number, path) for number, path in journals if number not in sealed))


def journal_path(directory: Path, number: int) -> Path:
    """Where the journal of that number lies."""
    return directory / f"{number:010d}.journal"


def seal(journal: Path, schema: pa.Schema) -> Segment | None:
    """Make a segment of a closed journal, which is then removed; None if no row was in it. One that cannot be
    understood is put aside for somebody who can. Raises OSError.
    """
    try:
        table = read_journal(journal, schema)
    except pa.ArrowException as error:
        logger("embedded").error("%s: is put aside, it cannot be read: %s", journal, first_line(error))
        journal.rename(journal.with_suffix(DAMAGED))
        return None
    segment = _written(table, journal) if table.num_rows else None
    journal.unlink()
    flush_directory(journal.parent)
    return segment


def read_segment(path: Path, schema: pa.Schema) -> pa.Table:
    """All its rows. Raises FileNotFoundError where it is gone, pa.ArrowException where it is damaged."""
    with _parquet.ParquetFile(path, memory_map=True) as file:
        table: pa.Table = file.read()
    return of_schema(table, schema)


def clear_away(directory: Path) -> None:
    """Remove what a crash left behind: half a segment, or a journal whose segment is there."""
    sealed = {segment.number for segment in shelf(directory).segments}
    for path in directory.iterdir():
        match = _JOURNAL.fullmatch(path.name)
        if path.suffix == ASIDE or (match and int(match[1]) in sealed):
            path.unlink()


def _written(table: Any, journal: Path) -> Segment:
    column = time_column(table.schema)
    table = table.sort_by(column)
    times: Any = table.column(column).cast(pa.int64())
    first, last = times[0].as_py(), times[-1].as_py()
    path = journal.with_name(f"{journal.stem}_{first}_{last}_{table.num_rows}.parquet")
    aside = journal.with_suffix(ASIDE)
    try:
        with aside.open("wb") as file:
            _parquet.write_table(
                table,
                file,
                compression="zstd",
                row_group_size=ROW_GROUP,
                use_dictionary=[name for name in table.schema.names if name not in _UNIQUE],
            )
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
        flush_directory(path.parent)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    return Segment(int(journal.stem), first, last, table.num_rows, path)
