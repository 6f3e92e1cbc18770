"""Comparisons of now with before *given what led to it*: a change in the mix of requests must not look like a fault.

Rows are compared within strata (same entry, same parent); where a stratum was hardly seen before, within a coarser one.
A group is what a statement is made about (an operation, an edge); it has many strata.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from service.evidence.constants import (
    DRIFT_OF_LOG_SPREAD,
    DRIFT_OF_LOG_TIME,
    DRIFT_OF_SHARE,
    ERRORS_TAKEN_OFF,
    LEAST_FOR_MEDIAN,
    MIN_EXECUTIONS,
    MIN_FOR_SHARE,
    QUANTILES,
)
from service.evidence.lineage import Bools, Floats, Ints


@dataclass(frozen=True)
class Shift:
    """One comparison for each group (arrays of length ``groups``): nan where nothing can be compared.

    ``moved`` is how far, on the scale of its kind (the logarithm of a time or rate, the arcsine of a share), positive
    where now is above before; ``error`` is its standard error. ``n_now`` and ``n_before`` are numbers of executions.
    ``usual`` is by how much more than others of its kind it moves where nothing is wrong.
    """

    now: Floats
    before: Floats
    moved: Floats
    error: Floats
    n_now: Ints
    n_before: Ints
    usual: Floats | None = None

    @property
    def score(self) -> Floats:
        """How many standard errors it moved; signed."""
        return self.moved / self.error


def sums(codes: Ints, weights: npt.NDArray[np.generic], size: int) -> Floats:
    """The sum of the weights of each code."""
    return np.bincount(codes, weights=weights.astype(np.float64), minlength=size).astype(np.float64)


def quantiles(codes: Ints, values: Floats, size: int, q: float) -> tuple[Floats, Ints]:
    """The q-quantile (nearest rank) of each code's values, nan without any, and how many there are."""
    counts: Ints = np.bincount(codes, minlength=size).astype(np.int64)
    if not len(values):
        return np.full(size, np.nan), counts
    order: Ints = np.lexsort((values, codes)).astype(np.int64)
    ordered = values[order]
    begin = np.cumsum(counts) - counts
    at = begin + np.minimum((counts * q).astype(np.int64), np.maximum(counts - 1, 0))
    picked: Floats = ordered[np.minimum(at, len(ordered) - 1)].astype(np.float64)
    picked[counts == 0] = np.nan
    return picked, counts


def _enough(q: float) -> int:
    """Executions without which a quantile says nothing: the median some, the tail more than are beyond it."""
    return max(MIN_EXECUTIONS, round(1 / (1 - q)))


def _baseline_quantiles(now: Bools, strata: Sequence[Ints], values: Floats, q: float) -> tuple[Floats, Ints]:
    """For every row the baseline quantile of its finest stratum with enough executions, and how many those were."""
    found, support = np.full(len(values), np.nan), np.zeros(len(values), np.int64)
    for stratum in strata:
        size = int(stratum.max(initial=-1)) + 1
        level, counts = quantiles(stratum[~now], values[~now], size, q)
        take = np.isnan(found) & (counts[stratum] >= _enough(q))
        found[take], support[take] = level[stratum][take], counts[stratum][take]
    return found, support


def time_shift(
    now: Bools,
    group: Ints,
    strata: Sequence[Ints],
    values: Floats,
    floor: float,
    at: Mapping[float, float] = QUANTILES,
) -> Shift:
    """How the duration of each group moved, at the median or further out in the tail, wherever it moved most; ``at``
    has the quantiles, and what a shift is divided by at each.

    It moved by the logarithm; its error is that of both quantiles and the drift between healthy stretches. ``floor``
    (same unit as the values) is added to both sides: what is small beside it counts little.
    """
    size = int(group.max(initial=-1)) + 1
    shifts = [_quantile_shift(now, group, strata, values, floor, q, size) for q in at]
    return _largest(shifts, list(at.values()))


def _largest(shifts: Sequence[Shift], usual: Sequence[float]) -> Shift:
    """For each group the shift that moved most beside what is usual for it; executions are those of the first."""
    beyond = np.stack([(np.abs(s.moved) - ERRORS_TAKEN_OFF * s.error) / u for s, u in zip(shifts, usual, strict=True)])
    most = np.argmax(np.where(np.isnan(beyond), -np.inf, beyond), axis=0)
    groups = np.arange(len(most))

    def pick(columns: Sequence[Floats]) -> Floats:
        return np.stack(list(columns))[most, groups]

    return Shift(
        now=pick([s.now for s in shifts]),
        before=pick([s.before for s in shifts]),
        moved=pick([s.moved for s in shifts]),
        error=pick([s.error for s in shifts]),
        n_now=shifts[0].n_now,
        n_before=shifts[0].n_before,
        usual=np.asarray(usual)[most],
    )


def _quantile_error(q: float) -> float:
    """Standard error of a sample quantile of a normal variable, in standard deviations times the square root of n."""
    z = NormalDist().inv_cdf(q)
    return math.sqrt(q * (1 - q)) / NormalDist().pdf(z)


def _drift2(q: float) -> float:
    """Variance of the logarithm of a quantile between healthy stretches, the baseline being lognormal."""
    z = NormalDist().inv_cdf(q)
    return DRIFT_OF_LOG_TIME**2 + (z * DRIFT_OF_LOG_SPREAD) ** 2


def _quantile_shift(
    now: Bools, group: Ints, strata: Sequence[Ints], values: Floats, floor: float, q: float, size: int
) -> Shift:
    base, support = _baseline_quantiles(now, strata, values, q)
    fine = strata[0]
    level, counts = quantiles(fine[now], values[now], int(fine.max(initial=-1)) + 1, q)
    usable = now & ~np.isnan(base) & (counts[fine] >= (_enough(q) if q > 0.5 else LEAST_FOR_MEDIAN))
    n_now = np.bincount(group[usable], minlength=size)
    weight = np.maximum(n_now, 1)
    mean_now = sums(group[usable], level[fine[usable]], size) / weight
    mean_before = sums(group[usable], base[usable], size) / weight
    n_before = _distinct_support(group[usable], fine[usable], support[usable], size)
    spread = _log_spread(now, group, fine, values, floor, size)
    error2 = (_quantile_error(q) * spread) ** 2 * (1 / np.maximum(n_now, 1) + 1 / np.maximum(n_before, 1))
    moved = np.log((mean_now + floor) / (mean_before + floor))
    empty = n_now == 0
    return Shift(
        np.where(empty, np.nan, mean_now),
        np.where(empty, np.nan, mean_before),
        np.where(empty, np.nan, moved),
        np.sqrt(_drift2(q) + error2),
        n_now,
        n_before,
    )


def _distinct_support(group: Ints, stratum: Ints, support: Ints, size: int) -> Ints:
    """Baseline executions behind each group: every stratum counted once."""
    _, first = np.unique(stratum, return_index=True)
    return sums(group[first], support[first], size).astype(np.int64)


def _log_spread(now: Bools, group: Ints, stratum: Ints, values: Floats, floor: float, size: int) -> Floats:
    """Standard deviation of the logarithm within baseline strata, from its quartiles (a normal's are 1.349 apart)."""
    logs = np.log(np.maximum(values, 0) + floor)
    centre, _ = quantiles(stratum[~now], logs[~now], int(stratum.max(initial=-1)) + 1, 0.5)
    residual = logs[~now] - centre[stratum[~now]]
    low, _ = quantiles(group[~now], residual, size, 0.25)
    high, _ = quantiles(group[~now], residual, size, 0.75)
    return np.nan_to_num((high - low) / 1.349, nan=1.0)


def share_shift(now: Bools, hit: Bools, group: Ints, strata: Sequence[Ints]) -> Shift:
    """How the share of executions with a hit moved in each group: an observed count against what the baseline's shares
    within the same strata lead one to expect, both as arcsines, whose variance does not depend on the share.
    """
    size = int(group.max(initial=-1)) + 1
    share, support = _baseline_shares(now, hit, strata)
    usable = now & ~np.isnan(share)
    rows = group[usable]
    n_now = np.bincount(rows, minlength=size)
    hits = sums(rows, hit[usable], size)
    expected = sums(rows, share[usable], size)
    return _share_of(hits, expected, n_now, _distinct_support(rows, strata[0][usable], support[usable], size))


def share_shift_of_counts(hits_now: Ints, n_now: Ints, hits_before: Ints, n_before: Ints) -> Shift:
    """The same where each group is one stratum and only counts are known: hits among executions, now and before."""
    shares: Floats = np.where(n_before >= MIN_FOR_SHARE, hits_before / np.maximum(n_before, 1), np.nan)
    usable = ~np.isnan(shares)
    return _share_of(
        hits_now.astype(np.float64),
        np.nan_to_num(shares) * n_now.astype(np.float64),
        np.where(usable, n_now, 0),
        n_before,
    )


def _share_of(hits: Floats, expected: Floats, n_now: Ints, n_before: Ints) -> Shift:
    empty = n_now == 0
    weight, support = np.maximum(n_now, 1), np.maximum(n_before, 1)
    now, before = hits / weight, expected / weight
    moved = _arcsine(hits, weight) - _arcsine(before * support, support)
    return Shift(
        np.where(empty, np.nan, now),
        np.where(empty, np.nan, before),
        np.where(empty, np.nan, moved),
        np.sqrt(1 / weight + 1 / support + DRIFT_OF_SHARE**2),
        n_now,
        n_before,
    )


def _arcsine(hits: Floats, executions: Ints) -> Floats:
    """A share on the scale on which it has the variance 1 / executions (Anscombe 1948), half a hit added."""
    share = (hits + 0.5) / (executions + 1)
    return 2 * np.arcsin(np.sqrt(np.clip(share, 0, 1)))


def _baseline_shares(now: Bools, hit: Bools, strata: Sequence[Ints]) -> tuple[Floats, Ints]:
    found, support = np.full(len(hit), np.nan), np.zeros(len(hit), np.int64)
    for stratum in strata:
        size = int(stratum.max(initial=-1)) + 1
        counts = np.bincount(stratum[~now], minlength=size)
        share = sums(stratum[~now], hit[~now], size) / np.maximum(counts, 1)
        take = np.isnan(found) & (counts[stratum] >= MIN_FOR_SHARE)
        found[take], support[take] = share[stratum][take], counts[stratum][take]
    return found, support
