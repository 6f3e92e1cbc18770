import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from service.ports import METRICS
from service.stores.embedded.decoded import Decoded, kept_rows
from service.stores.embedded.histograms import COUNT, Buckets, quantiles
from service.stores.embedded.increases import TOTAL, Increase
from service.stores.embedded.origin import NAME_LENGTH

DURATIONS = (".duration", "_duration_seconds", "_duration_milliseconds", "_duration", "_seconds", ".time", ".latency")
QUANTILES = {0.5: "p50", 0.95: "p95"}


@dataclass(frozen=True, slots=True)
class Row:
    """What tells one row of `METRICS` from another."""

    time_us: int
    component: str
    kind: str
    service: str
    metric: str
    unit: str

    def named(self, metric: str, unit: str | None = None) -> "Row":
        """The same of another metric."""
        return replace(self, metric=metric, unit=self.unit if unit is None else unit)

    @property
    def stem(self) -> str:
        """The metric's name without the word that says that it is a duration: what is counted, not how long."""
        ending = next((ending for ending in DURATIONS if self.metric.endswith(ending)), "")
        return self.metric.removesuffix(ending) or self.metric


class Sheet:
    """The rows of one request as they come together: what falls on the same row is summed up, or averaged."""

    def __init__(self) -> None:
        self._sums: dict[Row, float] = {}
        self._means: dict[Row, list[float]] = {}
        self._histograms: dict[tuple[Row, Buckets], dict[Hashable, float]] = {}
        self._rejected = 0
        self._why = ""

    def reject(self, why: str) -> None:
        """Count a point that is not taken."""
        self._rejected += 1
        self._why = self._why or why

    def plus(self, row: Row, value: float) -> None:
        """Add to a row that is a sum."""
        self._sums[row] = self._sums.get(row, 0.0) + value

    def average(self, row: Row, value: float) -> None:
        """Add to a row that is a mean."""
        self._means.setdefault(row, []).append(value)

    def counted(self, row: Row, increase: Increase, *, failed: bool | None) -> None:
        """The rates of what was counted; ``failed`` is None where the attributes tell nothing of failures."""
        per_s = increase.values[COUNT] / increase.seconds
        self.plus(row.named(f"{row.stem}.count.rate", "1/s"), per_s)
        if failed is not None:
            self.plus(row.named(f"{row.stem}.errors.rate", "1/s"), per_s if failed else 0.0)

    def measured(self, row: Row, buckets: Buckets, increase: Increase, *, failed: bool | None) -> None:
        """Merge a histogram's increase."""
        self.counted(row, increase, failed=failed)
        merged = self._histograms.setdefault((row, buckets), {})
        for key, n in increase.values.items():
            merged[key] = merged.get(key, 0.0) + n

    def decoded(self) -> Decoded:
        """All rows that came together. What is no number says nothing, and is left out."""
        for (row, buckets), counts in self._histograms.items():
            self._spread(row, buckets, counts)
        found = {**self._sums, **{row: sum(values) / len(values) for row, values in self._means.items()}}
        rows = {row: value for row, value in found.items() if math.isfinite(value)}
        columns: dict[str, Any] = {
            "time": np.array([row.time_us for row in rows], np.int64),
            "component": [row.component for row in rows],
            "kind": [row.kind for row in rows],
            "service": [row.service for row in rows],
            "metric": [row.metric[:NAME_LENGTH] for row in rows],
            "unit": [row.unit[:NAME_LENGTH] for row in rows],
            "value": list(rows.values()),
        }
        return Decoded(kept_rows(columns, METRICS, (), len(rows)).table, self._rejected, self._why)

    def _spread(self, row: Row, buckets: Buckets, counts: dict[Hashable, float]) -> None:
        """From one merged histogram to its mean and quantiles; one in which nothing fell has none."""
        if (count := counts[COUNT]) <= 0:
            return
        self.average(row.named(f"{row.metric}.mean"), counts[TOTAL] / count)
        estimates = quantiles(buckets, counts, tuple(QUANTILES))
        for name, value in zip(QUANTILES.values(), estimates, strict=False):
            self.average(row.named(f"{row.metric}.{name}"), value)
