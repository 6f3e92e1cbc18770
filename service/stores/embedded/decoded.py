from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from service.ports import TIME
from service.stores.embedded.records import Refused

Bools = npt.NDArray[np.bool_]
Microseconds = npt.NDArray[np.int64]

AHEAD = timedelta(hours=1)
"""How far a sender's clock may be ahead of ours. A time beyond would be kept long after everything of its day."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Decoded:
    """The rows of one request, how many records of it were rejected, and why (the first reason)."""

    table: pa.Table
    rejected: int = 0
    why: str = ""

    def with_refused(self, refused: Refused) -> "Decoded":
        """The same beside what could not even be read."""
        return Decoded(self.table, self.rejected + refused.count, refused.why or self.why)


@dataclass(frozen=True, slots=True)
class Acceptable:
    """The times that rows may have, µs since 1970: what is older would be removed at once. ``now_us`` is arrival."""

    oldest_us: int
    now_us: int
    newest_us: int

    @classmethod
    def at(cls, now: datetime, kept: timedelta) -> "Acceptable":
        """What may come in now if rows are kept so long."""
        return cls(microseconds(now - kept), microseconds(now), microseconds(now + AHEAD))

    def has(self, time_us: int) -> bool:
        """Whether a row may be of that time."""
        return self.oldest_us <= time_us <= self.newest_us

    def among(self, times_us: Microseconds) -> Bools:
        """The same for many."""
        return (times_us >= self.oldest_us) & (times_us <= self.newest_us)


def microseconds(moment: datetime) -> int:
    """Since 1970, UTC."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def from_nanoseconds(times_ns: Sequence[int]) -> Microseconds:
    """Whole microseconds of OTLP's unsigned nanoseconds; all of them fit."""
    return (np.array(times_ns, np.uint64) // np.uint64(1000)).astype(np.int64)


def kept_rows(columns: Mapping[str, Any], schema: pa.Schema, checks: Sequence[tuple[Bools, str]], rows: int) -> Decoded:
    """The rows that pass every check; a row that does not is rejected for the first that it fails."""
    kept = np.ones(rows, bool)
    why = ""
    for passed, reason in checks:
        failed = int(np.count_nonzero(kept & ~passed))
        if failed and not why:
            why = reason
        kept &= passed
    kinds: Any = dict(zip(schema.names, schema.types, strict=True))
    arrays = [_array(columns[name], kinds[name]) for name in schema.names]
    table = pa.table(arrays, schema=schema)
    rejected = int(np.count_nonzero(~kept))
    return Decoded(table.filter(pa.array(kept)) if rejected else table, rejected, why)


def _array(values: Any, kind: Any) -> Any:
    if kind == TIME:  # whole microseconds in numpy are that to Arrow too
        values = values.view("datetime64[us]")
    return cast(Any, values if isinstance(values, pa.Array) else pa.array(values, kind))
