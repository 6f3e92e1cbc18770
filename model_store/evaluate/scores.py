from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb

from service.domain.component import Component
from service.domain.graph import ServiceGraph
from service.grader.truth import Truth, collapse, true_components

DEPTHS = (1, 3, 5)
"""The k of AC@k that are reported."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What one answer is worth: AC@1, AC@3, AC@5 and the reciprocal rank, each 0 to 1."""

    at_1: float
    at_3: float
    at_5: float
    reciprocal: float

    def values(self) -> tuple[float, float, float, float]:
        """In the order of `MEASURES`."""
        return self.at_1, self.at_3, self.at_5, self.reciprocal


MEASURES = ("ac@1", "ac@3", "ac@5", "mrr")


def of_rank(rank: int | None) -> Scores:
    """What an answer is worth that has the truth at that place."""
    return _expected([] if rank is None else [(rank, 1.0)])


def of_suspicions(suspicions: Mapping[Component, float], truth: Truth, graph: ServiceGraph) -> Scores:
    """What an order by suspicion is worth; components with equal suspicion stand in every order equally likely.

    So a method that tells nothing apart is worth exactly what guessing is, not what the data's order happens to be.
    """
    collapsed: dict[Component, float] = {}
    for component, suspicion in suspicions.items():
        counted = collapse(component, truth, graph)
        collapsed[counted] = max(suspicion, collapsed.get(counted, suspicion))
    true = [collapsed[component] for component in true_components(truth, graph) if component in collapsed]
    if not true:
        return of_rank(None)
    best = max(true)
    above = sum(suspicion > best for suspicion in collapsed.values())
    tied = sum(suspicion == best for suspicion in collapsed.values())
    hits = sum(suspicion == best for suspicion in true)
    chances = [(above + j, comb(tied - j, hits - 1) / comb(tied, hits)) for j in range(1, tied + 1)]
    return _expected(chances)


def _expected(chances: Sequence[tuple[int, float]]) -> Scores:
    """The expectation over (rank, probability)."""
    at_1, at_3, at_5 = (float(sum(p for rank, p in chances if rank <= k)) for k in DEPTHS)
    return Scores(at_1, at_3, at_5, float(sum(p / rank for rank, p in chances)))
