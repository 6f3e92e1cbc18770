"""Where the truth stands in an answer. Ranks count from 1; None is a true component that was not answered."""

from collections.abc import Iterable

from service.domain.component import Component
from service.domain.graph import ServiceGraph
from service.grader.truth import Truth, collapse, true_components


def rank_of_truth(answered: Iterable[Component], truth: Truth, graph: ServiceGraph) -> int | None:
    """The place of the first true component among the distinct collapsed answers, from 1; None if it is not there."""
    wanted = true_components(truth, graph)
    distinct = dict.fromkeys(collapse(component, truth, graph) for component in answered)
    return next((place for place, component in enumerate(distinct, start=1) if component in wanted), None)
