"""Whether a learned rank may take the place of the unlearned one: nested, every origin left out in turn.

An origin is left out whole, with all its variants. Form and ridge are chosen by leaving out one more among the rest;
the weights that they give on the rest are then scored once on the origin left out. A learned rank is better only if it
is so by `LEAST_GAIN` in the mean of the origins, and in none worse by more.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from model_store.fit_rank.fit import FORMS, UNLEARNED, Form, Weights, fit, weighed
from model_store.fit_rank.incidents import Incident

RIDGES = (0.1, 0.02)
LEAST_GAIN = 0.03

NOTHING_LEARNED: Weights = {}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One origin left out: incidents, AC@1 and AC@3 by the unlearned rank and by the chosen learned one."""

    origin: str
    incidents: int
    unlearned: tuple[float, float]
    learned: tuple[float, float]
    form: str
    ridge: float
    weights: Weights


def leave_origins_out(
    incidents: Sequence[Incident], simulated: Sequence[Incident], together: Mapping[str, Sequence[str]]
) -> Iterator[Outcome]:
    """Each origin in turn; ``together`` names those that are left out beside it (of the same authors)."""
    for origin in dict.fromkeys(one.origin for one in incidents):
        out = {origin, *together.get(origin, ())}
        rest = [one for one in incidents if one.origin not in out]
        held = [one for one in incidents if one.origin == origin and one.variant == "as recorded"]
        form, ridge = _chosen(rest, simulated)
        weights = NOTHING_LEARNED if form is None else fit(rest, simulated, form, ridge)
        yield Outcome(
            origin,
            len(held),
            accuracy(held, NOTHING_LEARNED),
            accuracy(held, weights),
            UNLEARNED if form is None else form.name,
            ridge,
            weights,
        )


def accuracy(incidents: Sequence[Incident], weights: Weights) -> tuple[float, float]:
    """AC@1 and AC@3."""
    ranks = [_rank(one, weights) for one in incidents]
    return sum(r == 1 for r in ranks) / len(ranks), sum(r <= 3 for r in ranks) / len(ranks)


def is_better(outcomes: Sequence[Outcome]) -> bool:
    """Whether the learned rank may take the unlearned one's place."""
    return mean_gain(outcomes) >= LEAST_GAIN and all(_gain(one) >= -LEAST_GAIN for one in outcomes)


def mean_gain(outcomes: Sequence[Outcome]) -> float:
    """The AC@1 gained, in the mean of the origins."""
    return sum(map(_gain, outcomes)) / max(len(outcomes), 1)


def _gain(outcome: Outcome) -> float:
    return outcome.learned[0] - outcome.unlearned[0]


def _rank(incident: Incident, weights: Weights) -> float:
    scores = weighed(incident, weights)
    true = max((score for component, score in scores.items() if component in incident.true), default=0.0)
    return float("inf") if true <= 0 else 1 + sum(score > true for score in scores.values())


def _chosen(rest: Sequence[Incident], simulated: Sequence[Incident]) -> tuple[Form | None, float]:
    """Form and ridge with the best mean AC@1 when one more origin is left out; none where none gains anything."""
    origins = dict.fromkeys(one.origin for one in rest)
    best: tuple[Form | None, float] = None, 0.0
    most = sum(_inner(rest, simulated, o, None, 0.0) for o in origins)
    for form in FORMS:
        for ridge in RIDGES:
            reached = sum(_inner(rest, simulated, o, form, ridge) for o in origins)
            if reached > most:
                best, most = (form, ridge), reached
    return best


def _inner(
    rest: Sequence[Incident], simulated: Sequence[Incident], origin: str, form: Form | None, ridge: float
) -> float:
    others = [one for one in rest if one.origin != origin]
    held = [one for one in rest if one.origin == origin and one.variant == "as recorded"]
    weights = NOTHING_LEARNED if form is None or not others else fit(others, simulated, form, ridge)
    return accuracy(held, weights)[0]
