from dataclasses import dataclass

from service.domain.fault import Fault
from service.domain.graph import ServiceGraph
from service.domain.localization import Localization
from service.grader.ranks import rank_of_truth
from service.grader.truth import Truth, collapse


@dataclass(frozen=True, slots=True)
class Grade:
    """How right one answer was.

    ``rank`` counts from 1 and is None where no true component was answered. ``fault_right`` is None where there is
    nothing to compare: nothing true was answered, or its true fault is unknown. ``false_cause`` is only told of
    incidents in which nothing was wrong: whether the answer pretended otherwise.
    """

    rank: int | None
    fault_right: bool | None = None
    false_cause: bool | None = None

    @property
    def right_at_1(self) -> bool:
        """Whether the first answer was right."""
        return self.right_at(1)

    @property
    def right_at_3(self) -> bool:
        """Whether one of the first three answers was right."""
        return self.right_at(3)

    @property
    def reciprocal_rank(self) -> float:
        """1/rank, or 0 for an absent one."""
        return 0.0 if self.rank is None else 1 / self.rank

    def right_at(self, k: int) -> bool:
        """Whether one of the first k answers was right."""
        return self.rank is not None and self.rank <= k


def grade(localization: Localization, truth: Truth, graph: ServiceGraph) -> Grade:
    """Compare an answer with the truth."""
    if not truth.causes:
        return Grade(rank=None, false_cause=not localization.unresolved)
    rank = rank_of_truth((cause.component for cause in localization.causes), truth, graph)
    return Grade(rank=rank, fault_right=_fault_right(localization, truth, graph))


def _fault_right(localization: Localization, truth: Truth, graph: ServiceGraph) -> bool | None:
    """Whether the first answer about a true component names one of that component's true faults."""
    for cause in localization.causes:
        component = collapse(cause.component, truth, graph)
        same = {true.fault for true in truth.causes if collapse(true.component, truth, graph) == component}
        if same:
            return None if same == {Fault.UNKNOWN} else cause.fault in same
    return None
