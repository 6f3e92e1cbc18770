"""Which span came of which: parents as they were recorded, and links, which messages have instead."""

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_compute = cast(Any, pc)
MAX_DEPTH = 64
"""Deeper traces are cut here when their root is looked for; also what ends a cycle of parents in broken data."""


def codes(column: Any) -> tuple[Ints, list[str]]:
    """A string column as integer codes (in the order of first appearance) and their names."""
    encoded = column.combine_chunks().dictionary_encode()
    return np.asarray(encoded.indices, dtype=np.int64), cast(list[str], encoded.dictionary.to_pylist())


def calling(table: pa.Table) -> Bools:
    """Which spans say that they speak to somebody else."""
    kind, kinds = codes(table["kind"])
    return np.array([name in ("client", "producer") for name in kinds], bool)[kind]


def crossings(parent: Ints, service: Ints) -> Bools:
    """Which spans have a parent of another service."""
    return (parent >= 0) & (service[parent] != service)


def parent_rows(table: pa.Table) -> Ints:
    """For each span the row of its parent: the first of that id in the same trace; -1 where none was recorded, and for
    a span that says that it is its own. A message is no child of who sent it, but linked: for a span without a parent
    the call of another service that it is linked to.
    """
    parent = _recorded_parents(table)
    linked = linked_rows(table)
    return parent if linked is None else np.where(parent < 0, linked, parent)


def linked_rows(table: pa.Table) -> Ints | None:
    """For each span the row of the call of another service that its link names, else -1; None where none has links."""
    links: Any = table["linked_span_id"]
    if not any(links.unique().to_pylist()):
        return None
    rows = np.flatnonzero(np.asarray(_compute.not_equal(links, "")))
    named = _pairs(table, "linked_trace_id", "linked_span_id", rows)
    row_of = dict.fromkeys(named, -1)
    calls = np.flatnonzero(calling(table))
    for row, pair in zip(calls.tolist(), _pairs(table, "trace_id", "span_id", calls), strict=True):
        if pair in row_of:
            row_of[pair] = row
    linked = np.full(len(table), -1, np.int64)
    linked[rows] = [row_of[pair] for pair in named]
    service, _ = codes(table["service"])
    return np.where(crossings(linked, service), linked, -1)


def _pairs(table: pa.Table, first: str, second: str, rows: Ints) -> list[tuple[str, str]]:
    columns: list[Any] = [table[first], table[second]]
    texts: list[list[str]] = [column.take(pa.array(rows)).to_pylist() for column in columns]
    return list(zip(*texts, strict=True))


def _recorded_parents(table: pa.Table) -> Ints:
    trace, _ = codes(table["trace_id"])
    ids, names = codes(pa.chunked_array([*table["span_id"].chunks, *table["parent_span_id"].chunks]))
    own, parents = np.split(ids, 2)
    keys, wanted = trace * len(names) + own, trace * len(names) + parents
    order = np.argsort(keys, kind="stable")
    place = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    parent = np.where(keys[order[place]] == wanted, order[place], -1) if len(keys) else keys
    return np.where(parent == np.arange(len(parent)), -1, parent)  # nobody is its own parent


def roots(parent: Ints) -> Ints:
    """The row of each span's topmost recorded ancestor."""
    root = np.arange(len(parent))
    for _ in range(MAX_DEPTH):
        above = parent[root]
        climbing = above >= 0
        if not climbing.any():
            break
        root = np.where(climbing, above, root)
    return root
