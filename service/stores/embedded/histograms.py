"""Histograms as sparse counts, and quantiles estimated from them."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, HistogramDataPoint

from service.stores.embedded.increases import TOTAL

COUNT = "count"

GRID = 2
"""Exponential histograms are brought to this scale (four buckets for each doubling, 19 % wide), whatever scale they
have at the moment: two points can then be compared."""

AT_MOST_ZERO = "at most zero"

Counts = Mapping[Hashable, float]


@dataclass(frozen=True, slots=True)
class Explicit:
    """The buckets (-∞, b0], (b0, b1], …, (bn, ∞), numbered from 0."""

    bounds: tuple[float, ...]

    def edges(self, bucket: Hashable) -> tuple[float, float]:
        """Lower and upper edge; the open ends are as narrow as what is known of them."""
        assert isinstance(bucket, int)
        upper = self.bounds[min(bucket, len(self.bounds) - 1)]
        lower = self.bounds[min(bucket, len(self.bounds)) - 1] if bucket else min(0.0, upper)
        return lower, upper


@dataclass(frozen=True, slots=True)
class Exponential:
    """The buckets (2^(i/4), 2^((i+1)/4)], and one for what is not positive."""

    def edges(self, bucket: Hashable) -> tuple[float, float]:
        """Lower and upper edge."""
        if bucket == AT_MOST_ZERO:
            return 0.0, 0.0
        assert isinstance(bucket, int)
        return _power(bucket), _power(bucket + 1)


Buckets = Explicit | Exponential


def explicit(point: HistogramDataPoint) -> tuple[Explicit, dict[Hashable, float]] | None:
    """The point's buckets and counts; None if they do not belong together."""
    counts, bounds = list(point.bucket_counts), tuple(point.explicit_bounds)
    if counts and len(counts) != len(bounds) + 1:
        return None
    if any(not math.isfinite(bound) for bound in bounds) or list(bounds) != sorted(bounds):
        return None
    sparse: dict[Hashable, float] = {number: float(n) for number, n in enumerate(counts) if n} if bounds else {}
    return Explicit(bounds), {**sparse, COUNT: float(point.count), TOTAL: point.sum}


def exponential(point: ExponentialHistogramDataPoint) -> tuple[Exponential, dict[Hashable, float]]:
    """The point's counts on the common grid."""
    sparse: dict[Hashable, float] = {}
    for position, n in enumerate(point.positive.bucket_counts):
        if n:
            bucket = _on_grid(point.positive.offset + position, point.scale)
            sparse[bucket] = sparse.get(bucket, 0.0) + n
    if not_positive := float(point.zero_count + sum(point.negative.bucket_counts)):
        sparse[AT_MOST_ZERO] = not_positive
    return Exponential(), {**sparse, COUNT: float(point.count), TOTAL: point.sum}


def quantiles(buckets: Buckets, counts: Counts, wanted: Sequence[float]) -> list[float]:
    """Estimates, interpolated within the bucket; what lies in the last, open bucket counts as its lower edge.

    Empty where there are no buckets or nothing in them.
    """
    cells = [(*buckets.edges(bucket), n) for bucket, n in counts.items() if bucket not in (COUNT, TOTAL) and n > 0]
    cells.sort()
    total = sum(n for _, _, n in cells)
    return [_within(cells, share * total) for share in wanted] if total else []


def _within(cells: Sequence[tuple[float, float, float]], rank: float) -> float:
    passed = 0.0
    for lower, upper, n in cells:
        if passed + n >= rank:
            return lower + (upper - lower) * (rank - passed) / n
        passed += n
    return cells[-1][1]


def _on_grid(index: int, scale: int) -> int:
    """The bucket of the grid that holds that one, or for a coarser one, its uppermost."""
    if scale >= GRID:
        return index >> min(scale - GRID, 64)
    return ((index + 1) << min(GRID - scale, 64)) - 1


def _power(bucket: int) -> float:
    return 2.0 ** max(-1000.0, min(1000.0, bucket / 2**GRID))
