"""Raw telemetry as plain series, a baseline's own view of it: nothing here knows of our evidence."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from service.domain.component import Component, ComponentKind, service
from service.evidence.tables import Compared
from service.view.view import View

BUCKET_S = 15
"""Spans and log records become series by buckets of this length: short enough for baselines of few minutes."""

Values = npt.NDArray[np.float64]
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """One signal of one service or node: its values now and in the baseline, in no unit that matters."""

    component: Component
    name: str
    now: Values
    before: Values


def metric_series(view: View) -> list[Series]:
    """Every metric of every component, its own points."""
    return [
        Series(counted_for(kind, component, owner), metric, now, before)
        for (kind, component, owner, metric), now, before in _compared(
            view.tables.metrics, ["kind", "component", "service", "metric"], "value"
        )
    ]


def since_onset(view: View, compared: Compared, column: str) -> Compared:
    """The rows of now from the estimated onset on (``column`` has their times); all of them where it is not known or
    nothing would be left.
    """
    if view.onset is None:
        return compared
    times = np.asarray(compared.now[column].cast(pa.int64()))
    late = compared.now.filter(pa.array(times >= view.onset.timestamp() * 1e6))
    return Compared(late, compared.before) if late.num_rows else compared


def span_series(view: View) -> list[Series]:
    """The mean duration (µs) of every operation of every service, a point per bucket that has spans."""
    if (spans := view.tables.spans) is None or spans.before is None:
        return []
    bucketed = Compared(_bucket_means(spans.now), _bucket_means(spans.before))
    return [
        Series(service(name), operation, now, before)
        for (name, operation), now, before in _compared(bucketed, ["service", "operation"], "duration_us")
    ]


def log_series(view: View) -> list[Series]:
    """How often every log line of every service came, numbers in it masked, a point per bucket, silent ones too."""
    if (logs := view.tables.logs) is None or logs.before is None:
        return []
    now, before = _template_counts(logs.now), _template_counts(logs.before)
    silent_now, silent_before = np.zeros(_bucket_count(logs.now)), np.zeros(_bucket_count(logs.before))
    return [
        Series(service(key[0]), key[1], now.get(key, silent_now), before.get(key, silent_before))
        for key in dict.fromkeys([*now, *before])
    ]


def counted_for(kind: str, component: str, owner: str) -> Component:
    """The service, or the node, that a row of the metrics table counts for."""
    return Component(ComponentKind.NODE, component) if kind == "node" else service(owner or component)


def groups(table: pa.Table, columns: list[str]) -> Iterator[tuple[Key, npt.NDArray[np.int64]]]:
    """The rows of each distinct combination of these string columns."""
    if not table.num_rows:
        return
    key = np.zeros(table.num_rows, dtype=np.int64)
    names: list[list[str]] = []
    for column in columns:
        encoded = table[column].combine_chunks().dictionary_encode()
        names.append([str(name) for name in encoded.dictionary.to_pylist()])
        key = key * len(names[-1]) + np.asarray(encoded.indices)
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    for rows in np.split(order, starts[1:]):
        code, parts = int(key[rows[0]]), []
        for values in reversed(names):
            code, place = divmod(code, len(values))
            parts.append(values[place])
        yield tuple(reversed(parts)), rows


def _compared(compared: Compared | None, keys: list[str], value: str) -> Iterator[tuple[Key, Values, Values]]:
    """Finite values now and before of each key that is in both."""
    if compared is None or compared.before is None:
        return
    before = dict(_values(compared.before, keys, value))
    for key, now in _values(compared.now, keys, value):
        if key in before and now.size and before[key].size:
            yield key, now, before[key]


def _values(table: pa.Table, keys: list[str], value: str) -> Iterator[tuple[Key, Values]]:
    column = np.asarray(table[value], dtype=np.float64)
    for key, rows in groups(table, keys):
        values = column[rows]
        yield key, values[np.isfinite(values)]


def _buckets(table: pa.Table, column: str) -> npt.NDArray[np.int64]:
    """The bucket of each row, from 0."""
    seconds = np.asarray(table[column].cast(pa.int64())) // 1_000_000
    return (seconds - seconds.min()) // BUCKET_S if seconds.size else seconds


def _bucket_means(spans: pa.Table) -> pa.Table:
    bucketed = spans.select(["service", "operation", "duration_us"]).append_column(
        "bucket", pa.array(_buckets(spans, "start"))
    )
    means = bucketed.group_by(["service", "operation", "bucket"]).aggregate([("duration_us", "mean")])
    return means.rename_columns({"duration_us_mean": "duration_us"})


def _bucket_count(logs: pa.Table) -> int:
    return int(_buckets(logs, "time").max()) + 1 if logs.num_rows else 1


def _template_counts(logs: pa.Table) -> dict[Key, Values]:
    buckets, count = _buckets(logs, "time"), _bucket_count(logs)
    encoded = logs["body"].combine_chunks().dictionary_encode()
    templates = [_NUMBERS.sub("#", str(body)) for body in encoded.dictionary.to_pylist()]
    bodies = pa.DictionaryArray.from_arrays(encoded.indices, pa.array(templates, pa.string())).cast(pa.string())
    masked = logs.select(["service"]).append_column("template", bodies)
    return {
        key: np.bincount(buckets[rows], minlength=count).astype(np.float64)
        for key, rows in groups(masked, ["service", "template"])
    }


_NUMBERS = re.compile(r"[0-9a-fA-F]*\d[0-9a-fA-F-]*")
