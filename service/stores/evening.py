"""Two samples made comparable: what is compared are shares, and of now and before the same parts have to be there."""

import zlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from service.stores.log_fields import is_loud
from service.stores.log_sample import Part
from service.stores.partial import TRACES, bare, shares_of

FEWEST_LOUD: Final = 50
"""Of fewer lines of trouble none is left out: or what was there before would be called new."""
_HASHES: Final = 1 << 32

_Bools = npt.NDArray[np.bool_]


def evened(now: pa.Table, before: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Spans or log lines of two times, the one of which more is there thinned to what is there of the other: spans by
    whole traces, lines evenly. What is not marked as a sample (`service.stores.partial`) stays; the marks come off.
    """
    shares = shares_of(now), shares_of(before)
    wanted = {kind: min(has.get(kind, 1.0) for has in shares) for kind in {*shares[0], *shares[1]}}
    thinned = [_thinned(table, has, wanted) for table, has in zip((now, before), shares, strict=True)]
    return bare(thinned[0]), bare(thinned[1])


def _thinned(table: pa.Table, has: Mapping[str, float], wanted: Mapping[str, float]) -> pa.Table:
    """A kind of which the share is not known is as good as whole."""
    left = {kind: share / has.get(kind, 1.0) for kind, share in wanted.items() if share < has.get(kind, 1.0)}
    if not left or not table.num_rows:
        return table
    keep = np.ones(table.num_rows, bool)
    if TRACES in left:
        keep &= _of_traces(table, left[TRACES])
    if not left.keys().isdisjoint(Part):
        loud: Any = is_loud(table)
        keep &= _of_lines(np.asarray(loud, bool), left.get(Part.LOUD, 1.0), left.get(Part.QUIET, 1.0))
    return table.filter(pa.array(keep))


def _of_traces(table: pa.Table, share: float) -> _Bools:
    """Always the same ones: which are kept hangs on their ids alone."""
    ids: Any = table.column("trace_id").to_pylist()
    hashes = np.fromiter((zlib.crc32(trace_id.encode()) for trace_id in ids), np.int64, len(ids))
    return hashes < share * _HASHES


def _of_lines(loud: _Bools, loud_share: float, quiet_share: float) -> _Bools:
    """Evenly over those that are there."""
    keep = np.zeros(len(loud), bool)
    for of, share, fewest in ((loud, loud_share, FEWEST_LOUD), (~loud, quiet_share, 0)):
        rows = np.flatnonzero(of)
        count = max(min(fewest, len(rows)), round(len(rows) * share))
        if count:
            keep[rows[np.linspace(0, len(rows) - 1, count).round().astype(int)]] = True
    return keep
