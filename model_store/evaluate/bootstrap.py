"""Intervals and comparisons by a bootstrap over clusters.

Whole clusters are drawn with replacement and every draw is the mean over its cases, so that ten repetitions of one
fault count as little as they tell. Seeded: the same cases give the same interval.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

DRAWS = 4000
SEED = 20_250_101


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much better one method is than another on the same cases: the mean difference, and in which share of the
    draws it is not better.
    """

    difference: Interval
    not_better: float


def interval(values: Sequence[float], clusters: Sequence[Hashable]) -> Interval | None:
    """The mean of the values with the 2.5 % and 97.5 % quantiles of its draws; None without values."""
    if not values:
        return None
    drawn = _draws(np.asarray(values, dtype=np.float64), clusters)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Interval(float(np.mean(values)), float(low), float(high))


def compare(ours: Sequence[float], theirs: Sequence[float], clusters: Sequence[Hashable]) -> Comparison | None:
    """Paired: every draw takes both methods' values of the same cases. None without cases."""
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    difference = interval(differences, clusters)
    if difference is None:
        return None
    drawn = _draws(np.asarray(differences, dtype=np.float64), clusters)
    return Comparison(difference, float(np.mean(drawn <= 0)))


def _draws(values: npt.NDArray[np.float64], clusters: Sequence[Hashable]) -> npt.NDArray[np.float64]:
    """The mean of each draw of as many clusters as there are."""
    places = {cluster: place for place, cluster in enumerate(dict.fromkeys(clusters))}
    codes = np.array([places[cluster] for cluster in clusters])
    sums = np.bincount(codes, weights=values, minlength=len(places))
    sizes = np.bincount(codes, minlength=len(places))
    drawn = np.random.default_rng(SEED).integers(0, len(places), size=(DRAWS, len(places)))
    return sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
