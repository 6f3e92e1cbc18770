"""The evaluation as JSON: the contract's fields for the chosen method on top, everything else beside them."""

from collections.abc import Sequence

from model_store.evaluate.results import CaseResult, Evaluation, Summary, summarize
from model_store.evaluate.scores import MEASURES


def document(
    evaluation: Evaluation, chosen: str, ours: Sequence[str], baselines: Sequence[str], peak_mb: float
) -> dict[str, object]:
    """``cases``, ``ac@1`` … ``per_case`` are of the chosen method over all cases; ``systems`` and ``methods`` tell
    the same of each system and of the other methods, ``baselines`` of the baselines.
    """
    results = evaluation.results
    return {
        "schema_version": "1",
        "method": chosen,
        **_summary(summarize(results, chosen)),
        "per_case": [_case(result, chosen) for result in results],
        "systems": {
            system: {name: _summary(summarize(of, name)) for name in (*ours, *baselines)}
            for system, of in evaluation.systems().items()
        },
        "methods": {name: _summary(summarize(results, name)) for name in ours},
        "baselines": {name: _summary(summarize(results, name)) for name in baselines},
        "broken": [{"case": str(directory), "reason": reason} for directory, reason in evaluation.broken],
        "peak_rss_mb": round(peak_mb, 1),
    }


def _summary(summary: Summary) -> dict[str, object]:
    """Rounded; a measure is null where no case has a cause."""
    means = {name: _rounded(summary.measures[name].mean) if summary.measures else None for name in MEASURES}
    intervals = {name: [_rounded(told.low), _rounded(told.high)] for name, told in summary.measures.items()}
    return {
        "cases": summary.cases,
        **means,
        "intervals": intervals,
        "fault_right": _rounded(summary.fault_right),
        "false_cause_rate": _rounded(summary.false_cause_rate),
        "calibration_error": _rounded(summary.calibration_error),
        "resolved": _rounded(summary.resolved),
        "wrong_resolved": _rounded(summary.wrong_resolved),
        "seconds": {"p50": _rounded(summary.p50_s), "p95": _rounded(summary.p95_s)},
    }


def _case(result: CaseResult, method: str) -> dict[str, object]:
    answer = result.answers[method]
    return {
        "id": result.id,
        "system": result.cluster.system,
        "truth": list(result.truth),
        "fault": result.cluster.fault,
        "rank": answer.rank,
        "causes": list(answer.causes),
        "seconds": _rounded(answer.seconds),
        "stop": answer.stop,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
