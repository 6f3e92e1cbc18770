"""A bound on what is computed: of very many spans and log lines, whole traces are looked at, the same ones in both."""

import zlib
from dataclasses import replace

import numpy as np
import pyarrow as pa

from service.evidence.lineage import Bools, Ints, codes
from service.evidence.tables import Compared, Tables

MOST_ROWS = 200_000
"""Spans, or log lines, that are looked at: their evidence is there within a second or two. A share of more is told no
better by all of them.
"""

_PARTS = 1 << 16


def sampled(tables: Tables, most: int = MOST_ROWS) -> tuple[Tables, tuple[str, ...]]:
    """The tables with at most ``most`` spans and as many lines, and a note for each signal that was thinned. What was
    thinned once is not thinned again: a saved view opens to itself.

    Which traces are kept hangs on their ids alone, so now and before are thinned alike and lines keep their spans;
    lines that belong to no trace are kept by their place.
    """
    signals = _signals(tables)
    if all(len(found.together) <= most for found in signals.values()):
        return tables, ()
    bound = min(_bound(found, most) for found in signals.values())
    thinned = {name: _thinned(found, bound) for name, found in signals.items()}
    notes = tuple(
        f"{'traces' if name == 'spans' else name}: {len(found.together):,} of {len(signals[name].together):,} rows "
        "looked at, by traces"
        for name, found in thinned.items()
    )
    return replace(tables, **thinned), notes


def _signals(tables: Tables) -> dict[str, Compared]:
    found = {"spans": tables.spans, "logs": tables.logs}
    return {name: compared for name, compared in found.items() if compared is not None}


def _bound(compared: Compared, most: int) -> int:
    """The largest part below which there are no more than so many rows."""
    parts = np.concatenate([_parts(table) for table in _tables(compared)])
    return int(np.searchsorted(np.bincount(parts, minlength=_PARTS).cumsum(), most, side="right"))


def _thinned(compared: Compared, bound: int) -> Compared:
    before = compared.before
    return Compared(_kept(compared.now, bound), None if before is None else _kept(before, bound))


def _tables(compared: Compared) -> list[pa.Table]:
    return [compared.now, *([] if compared.before is None else [compared.before])]


def _kept(table: pa.Table, bound: int) -> pa.Table:
    keep: Bools = _parts(table) < bound
    return table.filter(pa.array(keep))


def _parts(table: pa.Table) -> Ints:
    """The part that each row belongs to."""
    if not table.num_rows:
        return np.zeros(0, np.int64)
    trace, ids = codes(table.column("trace_id"))
    hashes = np.array([zlib.crc32(trace_id.encode()) % _PARTS for trace_id in ids], np.int64)
    place = (np.arange(len(trace)) * 40_503) % _PARTS  # a stride that visits every part before any again
    return np.where(np.array([bool(trace_id) for trace_id in ids])[trace], hashes[trace], place)
