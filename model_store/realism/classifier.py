"""Boosted stumps that tell two kinds of examples apart, and how well they do on groups that they have not seen."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

BINS = 16
ROUNDS = 80
RATE = 0.2
FOLDS = 5
LEAST_WEIGHT = 1e-9


@dataclass(frozen=True, slots=True)
class _Stump:
    feature: int
    limit: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Stumps:
    """A sum of stumps: the logarithm of the odds that an example is positive."""

    parts: tuple[_Stump, ...]
    gains: Floats  # of each feature: what the loss fell by its stumps

    def __call__(self, examples: Floats) -> Floats:
        """The odds of each of (n, features)."""
        odds = np.zeros(len(examples))
        for part in self.parts:
            odds += np.where(examples[:, part.feature] <= part.limit, part.low, part.high)
        return odds


def fit(examples: Floats, positive: Bools, weights: Floats, rounds: int = ROUNDS) -> Stumps:
    """Gradient boosting of the logistic loss with stumps (Friedman 2001, Newton steps in the leaves).

    ``examples`` is (n, features). Both kinds count alike, whatever their number.
    """
    weights = balanced(positive, weights)
    limits = [np.unique(np.quantile(column, np.linspace(0, 1, BINS + 1)[:-1])) for column in examples.T]
    binned = [np.searchsorted(limit, column) for limit, column in zip(limits, examples.T, strict=True)]
    odds, parts, gains = np.zeros(len(examples)), list[_Stump](), np.zeros(examples.shape[1])
    for _ in range(rounds):
        chance = 1 / (1 + np.exp(-odds))
        slope, bend = weights * (positive - chance), weights * chance * (1 - chance)
        found = max((_best(binned[f], limits[f], slope, bend, f) for f in range(len(limits))), key=lambda g: g[0])
        gain, part = found
        if gain <= 0:
            break
        parts.append(part)
        gains[part.feature] += gain
        odds += np.where(examples[:, part.feature] <= part.limit, part.low, part.high)
    return Stumps(tuple(parts), gains)


def _best(
    place: npt.NDArray[np.int64], limits: Floats, slope: Floats, bend: Floats, feature: int
) -> tuple[float, _Stump]:
    """The split of one feature that lowers the loss most, and by how much."""
    size, ridge = len(limits) + 1, 1e-3
    g, h = np.bincount(place, slope, size), np.bincount(place, bend, size)
    g_low, h_low = np.cumsum(g)[:-1], np.cumsum(h)[:-1]
    g_high, h_high = g.sum() - g_low, h.sum() - h_low
    gains = g_low**2 / (h_low + ridge) + g_high**2 / (h_high + ridge) - g.sum() ** 2 / (h.sum() + ridge)
    at = int(np.argmax(gains))
    low, high = RATE * g_low[at] / (h_low[at] + ridge), RATE * g_high[at] / (h_high[at] + ridge)
    return float(gains[at]) - LEAST_WEIGHT, _Stump(feature, float(limits[at]), float(low), float(high))


def balanced(positive: Bools, weights: Floats) -> Floats:
    """Weights of which each kind has half."""
    both = [max(float(weights[which].sum()), LEAST_WEIGHT) for which in (positive, ~positive)]
    return np.where(positive, weights / both[0], weights / both[1]) / 2


def auc(odds: Floats, positive: Bools, weights: Floats) -> float:
    """The chance that a positive example has higher odds than another one; equal ones count half."""
    weights = balanced(positive, weights) * 2
    _, place = np.unique(odds, return_inverse=True)
    up, down = np.bincount(place, weights * positive), np.bincount(place, weights * ~positive)
    return float((up * (np.cumsum(down) - down / 2)).sum())


def cross_validated(
    examples: Floats, positive: Bools, groups: npt.NDArray[np.int64], weights: Floats, seed: int = 0
) -> float:
    """AUC over all examples, each told by stumps that saw nothing of its group; folds are drawn within each kind."""
    rng = np.random.default_rng(seed)
    fold = np.zeros(int(groups.max()) + 1, np.int64)
    for kind in (True, False):
        its = rng.permutation(np.unique(groups[positive == kind]))
        fold[its] = np.arange(len(its)) % FOLDS
    odds = np.zeros(len(examples))
    for number in range(FOLDS):
        held_out = fold[groups] == number
        if held_out.any():
            odds[held_out] = fit(examples[~held_out], positive[~held_out], weights[~held_out])(examples[held_out])
    return auc(odds, positive, weights)
