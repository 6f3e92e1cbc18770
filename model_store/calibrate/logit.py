"""The conditional logit of `service.rank.fusion`, fitted to incidents whose cause is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

STEPS = 50
TOLERANCE = 1e-8
RIDGE = 1e-2
"""What a number costs for being far from 0, in nats: holds it where the incidents say nothing."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One incident: ``x`` [C, F] features of its candidates, and which of them are true [C]; where none is, "none of
    them" is.
    """

    x: Floats
    true: Bools


@dataclass(frozen=True, slots=True)
class Logit:
    """What was learned: a number for each feature and the weight (logarithm) of "none of them"."""

    of_features: Floats
    nothing: float

    def shares(self, choice: Choice) -> Floats:
        """How likely each candidate is, [C]; what is missing to 1 is "none of them"."""
        return _shares(np.append(self.of_features, self.nothing), choice)[:-1]


def fit(choices: Sequence[Choice], free: Sequence[bool], fixed: Floats | None = None) -> Logit:
    """The likeliest numbers, by Newton's method with a small ridge; features that are not ``free`` stay as ``fixed``
    has them, else 0.
    """
    use = np.append(np.asarray(free, np.bool_), np.True_)
    numbers = np.zeros(len(use))
    if fixed is not None:
        numbers[:-1][~use[:-1]] = fixed[~use[:-1]]
    value = _objective(numbers, choices)
    for _ in range(STEPS):
        gradient, hessian = _slopes(numbers, choices)
        step = np.zeros_like(numbers)
        step[use] = np.linalg.solve(hessian[np.ix_(use, use)], gradient[use])
        before = value
        numbers, value = _improved(numbers, step, value, choices)
        if value - before < TOLERANCE * len(choices):
            break
    return Logit(numbers[:-1], float(numbers[-1]))


def _improved(numbers: Floats, step: Floats, value: float, choices: Sequence[Choice]) -> tuple[Floats, float]:
    """As far along the step as it pays, halved at most ten times. What would count against being suspected or named is
    not learned: that happens by chance only.
    """
    for halving in range(10):
        tried = numbers + step / 2**halving
        tried[:-1] = np.maximum(tried[:-1], 0.0)
        if (reached := _objective(tried, choices)) > value:
            return tried, reached
    return numbers, value


def _objective(numbers: Floats, choices: Sequence[Choice]) -> float:
    told = sum(float(np.log(_shares(numbers, c)[_truth(c)].sum())) for c in choices)
    return told - RIDGE / 2 * float(numbers @ numbers)


def _slopes(numbers: Floats, choices: Sequence[Choice]) -> tuple[Floats, Floats]:
    """Gradient, and minus the Hessian but for what several true causes at once would take off it."""
    gradient, hessian = -RIDGE * numbers, RIDGE * np.eye(len(numbers))
    for choice in choices:
        x, share, true = _with_nothing(choice.x), _shares(numbers, choice), _truth(choice)
        expected = share @ x
        gradient += share[true] @ x[true] / share[true].sum() - expected
        hessian += (x.T * share) @ x - np.outer(expected, expected)
    return gradient, hessian


def _shares(numbers: Floats, choice: Choice) -> Floats:
    scores = _with_nothing(choice.x) @ numbers
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def _with_nothing(x: Floats) -> Floats:
    """The features with one more, of "none of them", which is the last row."""
    whole = np.zeros((len(x) + 1, x.shape[1] + 1))
    whole[:-1, :-1] = x
    whole[-1, -1] = 1.0
    return whole


def _truth(choice: Choice) -> Bools:
    return np.append(choice.true, not choice.true.any())
