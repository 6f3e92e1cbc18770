from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from model_store.cases import Cluster
from model_store.evaluate.bootstrap import Comparison, Interval, compare, interval
from model_store.evaluate.reliability import calibration_error, reliability
from model_store.evaluate.scores import MEASURES, Scores
from service.domain.localization import Usage


@dataclass(frozen=True, slots=True)
class Answer:
    """What one method answered in one case.

    ``scores`` is None for a case without a cause, where only ``false_cause`` counts. ``rank`` is None as well where a
    baseline's ties leave it open. ``seconds`` is from the first question to a store until the answer. ``confidence``
    is that of the first cause, ``usage`` what the model did; None of a method that does not say.
    """

    scores: Scores | None
    rank: int | None
    causes: tuple[str, ...]
    seconds: float
    stop: str = ""
    false_cause: bool | None = None
    fault_right: bool | None = None
    confidence: float | None = None
    resolved: bool | None = None
    usage: Usage | None = None

    @property
    def right(self) -> bool:
        """Whether the first cause is a true one."""
        return self.rank == 1


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case with the answers of all methods, by their names."""

    id: str
    cluster: Cluster
    truth: tuple[str, ...]
    answers: dict[str, Answer]


@dataclass(slots=True)
class Evaluation:
    """All of one run: the cases in their order, and those that could not be read with the reason, a line each."""

    results: list[CaseResult] = field(default_factory=list[CaseResult])
    broken: list[tuple[Path, str]] = field(default_factory=list[tuple[Path, str]])

    def systems(self) -> dict[str, list[CaseResult]]:
        """The cases of each system."""
        grouped: dict[str, list[CaseResult]] = {}
        for result in self.results:
            grouped.setdefault(result.cluster.system, []).append(result)
        return grouped


@dataclass(frozen=True, slots=True)
class Summary:
    """One method over some cases. ``measures`` is empty where no case has a cause; the rates are None where no case
    can tell: cases without a cause, cases with a known fault kind.
    """

    cases: int
    measures: dict[str, Interval]
    false_cause_rate: float | None
    fault_right: float | None
    p50_s: float
    p95_s: float
    calibration_error: float | None = None
    resolved: float | None = None
    wrong_resolved: float | None = None
    """Share of the resolved answers whose first cause is none, also where there was none to be found."""


def summarize(results: Sequence[CaseResult], method: str) -> Summary:
    """The means of a method over the cases, with intervals over their clusters."""
    answers = [result.answers[method] for result in results]
    clusters = [result.cluster for result in results if result.answers[method].scores is not None]
    rows = [answer.scores.values() for answer in answers if answer.scores is not None]
    measures: dict[str, Interval] = {}
    for name, values in zip(MEASURES, zip(*rows, strict=True), strict=False):
        if (told := interval(values, clusters)) is not None:
            measures[name] = told
    seconds = sorted(answer.seconds for answer in answers)
    return Summary(
        cases=len(answers),
        measures=measures,
        false_cause_rate=_share([a.false_cause for a in answers]),
        fault_right=_share([a.fault_right for a in answers]),
        p50_s=quantile(seconds, 0.5),
        p95_s=quantile(seconds, 0.95),
        calibration_error=_error(answers),
        resolved=_share([a.resolved for a in answers]),
        wrong_resolved=_share([not a.right for a in answers if a.resolved]),
    )


def _error(answers: Sequence[Answer]) -> float | None:
    told = [(a.confidence, a.right) for a in answers if a.confidence is not None]
    return calibration_error(reliability([c for c, _ in told], [right for _, right in told])) if told else None


def against(results: Sequence[CaseResult], ours: str, theirs: str, measure: str = "ac@1") -> Comparison | None:
    """How much better one method is than another on the same cases, paired."""
    place = MEASURES.index(measure)
    pairs = [
        (a.values()[place], b.values()[place], result.cluster)
        for result in results
        if (a := result.answers[ours].scores) is not None and (b := result.answers[theirs].scores) is not None
    ]
    return compare([a for a, _, _ in pairs], [b for _, b, _ in pairs], [cluster for _, _, cluster in pairs])


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that this share of the ordered values does not exceed; 0 without values."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def _share(told: Sequence[bool | None]) -> float | None:
    known = [value for value in told if value is not None]
    return sum(known) / len(known) if known else None
