"""Runs methods over labelled cases, one case after the other; a case that cannot be read costs itself only."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from model_store.cases import NO_CAUSE, Cluster, read_truth
from model_store.evaluate.baselines.registry import Baseline
from model_store.evaluate.methods import Method
from model_store.evaluate.results import Answer, CaseResult, Evaluation
from model_store.evaluate.scores import of_rank, of_suspicions
from service.domain.component import EDGE_ARROW, Component
from service.errors import HypocenterError
from service.grader.grade import grade
from service.grader.truth import Truth, collapse, true_components
from service.stores.recorded import RecordedCase
from service.view.opening import open_view
from service.view.view import View

PATIENCE_S = 120.0
"""How long a table may take to be read; a recording does not hang, so this only bounds the wait."""


@dataclass(frozen=True, slots=True)
class Source:
    """A case as it is to be evaluated: what the service opens, and the truth, which it does not.

    ``original`` gives the names of a renamed case back; a name that is not in it is its own.
    """

    directory: Path
    truth: Truth
    original: Mapping[str, str] = field(default_factory=dict[str, str])

    def name(self, component: Component) -> str:
        """How a component is reported."""
        return renamed(component.name, self.original)


def renamed(name: str, names: Mapping[str, str]) -> str:
    """The other name of a component; those of its ends for an edge; what has none keeps its own."""
    caller, arrow, callee = name.partition(EDGE_ARROW)
    return names.get(caller, caller) + arrow + names.get(callee, callee)


Open = Callable[[Path], AbstractContextManager[Source]]


@contextmanager
def as_recorded(directory: Path) -> Iterator[Source]:
    """The case as it lies there. Raises `CaseError` if its truth cannot be read."""
    yield Source(directory, read_truth(directory))


@dataclass(frozen=True, slots=True)
class Opened:
    """A case's view and how long it took to fetch and compute it."""

    view: View
    seconds: float


async def evaluate(
    directories: Iterable[Path],
    ours: Mapping[str, Method],
    baselines: Mapping[str, Baseline],
    on_broken: Callable[[Path, str], None],
    source_of: Open = as_recorded,
) -> Evaluation:
    """All methods over all cases, in their order."""
    evaluation = Evaluation()
    for directory in directories:
        try:
            with source_of(directory) as source:
                result = await evaluate_case(source, ours, baselines)
        except HypocenterError as error:
            evaluation.broken.append((directory, str(error)))
            on_broken(directory, str(error))
        else:
            evaluation.results.append(result)
    return evaluation


async def evaluate_case(source: Source, ours: Mapping[str, Method], baselines: Mapping[str, Baseline]) -> CaseResult:
    """All methods on one case. Raises `CaseError` if it cannot be read."""
    opened = await open_case(source.directory)
    answers = {name: await _answer(method, opened, source) for name, method in ours.items()}
    answers |= {name: _baseline_answer(method, opened.view, source) for name, method in baselines.items()}
    incident = opened.view.incident
    true = sorted(source.name(component) for component in true_components(source.truth, opened.view.graph))
    faults = sorted({cause.fault.value for cause in source.truth.causes})
    cluster = Cluster(incident.system, "+".join(true) or NO_CAUSE, "+".join(faults) or NO_CAUSE)
    return CaseResult(incident.id, cluster, tuple(true), answers)


async def open_case(directory: Path) -> Opened:
    """Open a case the way the service does."""
    started = time.perf_counter()
    case = RecordedCase.open(directory)
    view = await open_view(case.incident, case.telemetry, PATIENCE_S)
    return Opened(view, time.perf_counter() - started)


async def _answer(method: Method, opened: Opened, source: Source) -> Answer:
    started = time.perf_counter()
    localization = await method(opened.view)
    seconds = opened.seconds + time.perf_counter() - started
    truth, graph = source.truth, opened.view.graph
    graded = grade(localization, truth, graph)
    counted = dict.fromkeys(source.name(collapse(cause.component, truth, graph)) for cause in localization.causes)
    return Answer(
        scores=of_rank(graded.rank) if truth.causes else None,
        rank=graded.rank,
        causes=tuple(counted),
        seconds=seconds,
        stop=str(localization.stop),
        false_cause=graded.false_cause,
        fault_right=graded.fault_right,
        confidence=localization.causes[0].confidence if localization.causes else 0.0,
        resolved=not localization.unresolved,
        usage=localization.usage,
    )


def _baseline_answer(method: Baseline, view: View, source: Source) -> Answer:
    started = time.perf_counter()
    suspicions = method(view)
    seconds = time.perf_counter() - started
    truth = source.truth
    order = sorted(suspicions, key=lambda component: -suspicions[component])
    return Answer(
        scores=of_suspicions(suspicions, truth, view.graph) if truth.causes else None,
        rank=None,
        causes=tuple(dict.fromkeys(source.name(collapse(component, truth, view.graph)) for component in order)),
        seconds=seconds,
        false_cause=None if truth.causes else bool(suspicions),
    )
