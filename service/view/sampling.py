"""A bound on what is computed: of very many spans and log lines, whole traces are looked at, the same ones in both."""

import zlib
from dataclasses import replace

import numpy as np
import pyarrow as pa

from service.evidence.spans import Bools, codes
from service.evidence.tables import Compared, Tables

MOST_ROWS = 200_000
"""Spans, or log lines, that are looked at: their evidence is there within a second or two. A share of more is told no
better by all of them.
"""

_PARTS = 1 << 16


def sampled(tables: Tables, most: int = MOST_ROWS) -> tuple[Tables, tuple[str, ...]]:
    """The tables with at most about ``most`` spans and as many lines, and a note for each signal that was thinned.

    Which traces are kept hangs on their ids alone, so now and before are thinned alike and lines keep their spans;
    lines that belong to no trace are kept by their place.
    """
    rows = {name: len(found.together) for name, found in _signals(tables).items()}
    share = min([1.0, *(most / count for count in rows.values() if count)])
    if share >= 1.0:
        return tables, ()
    thinned = {name: _thinned(found, share) for name, found in _signals(tables).items()}
    notes = tuple(
        f"{'traces' if name == 'spans' else name}: {len(found.together):,} of {rows[name]:,} rows looked at, by traces"
        for name, found in thinned.items()
    )
    return replace(tables, **thinned), notes


def _signals(tables: Tables) -> dict[str, Compared]:
    found = {"spans": tables.spans, "logs": tables.logs}
    return {name: compared for name, compared in found.items() if compared is not None}


def _thinned(compared: Compared, share: float) -> Compared:
    before = compared.before
    return Compared(_kept(compared.now, share), None if before is None else _kept(before, share))


def _kept(table: pa.Table, share: float) -> pa.Table:
    if not table.num_rows:
        return table
    trace, ids = codes(table.column("trace_id"))
    hashes = np.array([zlib.crc32(trace_id.encode()) % _PARTS for trace_id in ids])
    place = (np.arange(len(trace)) * 40_503) % _PARTS  # a stride that visits every part before any again
    of_row = np.where(np.array([bool(trace_id) for trace_id in ids])[trace], hashes[trace], place)
    keep: Bools = of_row < share * _PARTS
    return table.filter(pa.array(keep))
