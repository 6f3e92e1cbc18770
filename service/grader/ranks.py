"""AC@k and MRR. Ranks count from 1; None is a true component that was not answered."""

from collections.abc import Iterable, Sequence

from service.domain.component import Component
from service.domain.graph import ServiceGraph
from service.grader.truth import Truth, collapse, true_components


def rank_of_truth(answered: Iterable[Component], truth: Truth, graph: ServiceGraph) -> int | None:
    """The place of the first true component among the distinct collapsed answers, from 1; None if it is not there."""
    wanted = true_components(truth, graph)
    distinct = dict.fromkeys(collapse(component, truth, graph) for component in answered)
    return next((place for place, component in enumerate(distinct, start=1) if component in wanted), None)


def accuracy_at(k: int, ranks: Sequence[int | None]) -> float:
    """AC@k: the share of incidents whose true component is among the first k answers; 0 for no incidents."""
    return sum(rank is not None and rank <= k for rank in ranks) / len(ranks) if ranks else 0.0


def mean_reciprocal_rank(ranks: Sequence[int | None]) -> float:
    """MRR: the mean of 1/rank, an absent one counting 0; 0 for no incidents."""
    return sum(1 / rank for rank in ranks if rank is not None) / len(ranks) if ranks else 0.0
