"""Spans as servers tell them one by one, brought together as a table."""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import pyarrow as pa

from service.ports import SPANS, TIME
from service.stores.columns import conform
from service.telemetry import NAME

TRACE_DIGITS, SPAN_DIGITS = 32, 16
"""Hexadecimal digits of an id."""

KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}
STATUSES = {1: "ok", 2: "error"}
LATEST_US = 2**62
"""No server means a later moment, and sums of two still fit."""

_HEX = re.compile(r"[0-9a-fA-F]+")


class SpanRow(NamedTuple):
    """One row of `SPANS`, its times in microseconds."""

    trace_id: str
    span_id: str
    parent_span_id: str
    service: str
    pod: str
    node: str
    operation: str
    kind: str
    start_us: int
    duration_us: int
    status: str
    peer: str = ""
    peer_role: str = ""
    linked_trace_id: str = ""
    linked_span_id: str = ""


def span_table(rows: Iterable[SpanRow]) -> pa.Table:
    """The rows as `SPANS`. A span without valid ids or of an impossible time is left out, and so are hypocenter's own;
    one that ends before it starts lasted no time.
    """
    kept = [row for row in rows if row.trace_id and row.span_id and 0 <= row.start_us <= LATEST_US]
    kept = [row for row in kept if row.service != NAME]
    columns: list[Any] = list(zip(*kept, strict=True)) if kept else [()] * len(SPANS.names)
    kinds: Any = SPANS.types
    arrays = [_array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    return conform(pa.table(arrays, schema=SPANS), SPANS, "spans")


def distinct(tables: Sequence[pa.Table]) -> pa.Table:
    """All spans of the tables in the order of their start, each once: the same trace may have been found twice."""
    joined: Any = pa.concat_tables([SPANS.empty_table(), *tables])
    seen = dict[tuple[str, str], int]()
    pairs = zip(joined.column("trace_id").to_pylist(), joined.column("span_id").to_pylist(), strict=True)
    for row, pair in enumerate(pairs):
        seen.setdefault(pair, row)
    once = joined.take(pa.array(list(seen.values()), pa.int64()))
    starts = once.column("start").cast(pa.int64()).to_numpy()
    return once.take(np.argsort(starts, kind="stable")).combine_chunks()


def link(trace_id: str, span_id: str) -> tuple[str, str]:
    """The ids of a linked span; both "" unless both are ids."""
    ids = identifier(trace_id, TRACE_DIGITS), identifier(span_id, SPAN_DIGITS)
    return ids if all(ids) else ("", "")


def identifier(told: str, digits: int) -> str:
    """An id as lower-case hexadecimal digits, as many as it should have: some servers drop leading zeros, others write
    base64. "" for what is no id, or all zero.
    """
    if told.endswith("="):
        try:
            told = base64.b64decode(told, validate=True).hex()
        except binascii.Error:
            return ""
    if len(told) > digits or not _HEX.fullmatch(told) or not told.strip("0"):
        return ""
    return told.lower().rjust(digits, "0")


def _array(column: Any, kind: Any) -> Any:
    if kind == TIME:
        return cast(Any, pa.array(column, pa.int64())).cast(TIME)
    if pa.types.is_integer(kind):
        return pa.array([min(max(value, 0), LATEST_US) for value in column], kind)
    return cast(Any, pa.array(column, kind))
