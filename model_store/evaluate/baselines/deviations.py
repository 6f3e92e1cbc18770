"""Methods by the classical mean and standard deviation of the baseline."""

import re
from collections import Counter
from collections.abc import Iterable

import numpy as np

from model_store.evaluate.baselines.series import Series, Values, log_series, metric_series, span_series
from service.domain.component import Component
from service.view.view import View

SIGMAS = 3.0
LEAST_SIGMA = 0.01
"""The standard deviation is taken as at least this share of the mean: else a constant series alarms at a whisper."""

CPU = re.compile(r"cpu", re.IGNORECASE)
OBJECTIVE = re.compile(r"latency|duration|response|success|availab|error|fail", re.IGNORECASE)
"""Names of metrics that alerts on objectives are made of."""


def anomalous_signals(view: View) -> dict[Component, float]:
    """How many of a component's signals (metrics; mean durations of operations; counts of log lines) leave the
    baseline's mean by more than 3 standard deviations at any point: a count of the alerts that would fire.
    """
    signals = [*metric_series(view), *span_series(view), *log_series(view)]
    return dict(Counter(s.component for s in signals if _z_scores(s).max() > SIGMAS))


def cpu_ratio(view: View) -> dict[Component, float]:
    """The largest ratio of a component's metrics with "cpu" in their name: mean now over mean before."""
    cpu = [s for s in metric_series(view) if CPU.search(s.name) and s.before.mean() > 0]
    return _largest((s.component, s.now.mean() / s.before.mean()) for s in cpu)


def objective_z_score(view: View) -> dict[Component, float]:
    """The largest |value − mean| / standard deviation of a component's metrics of latency, success or errors; where
    no component but the alerting one has such metrics, of the mean durations of its operations (15 s buckets).
    """
    chosen = [s for s in metric_series(view) if OBJECTIVE.search(s.name)]
    if len({s.component for s in chosen}) <= 1:
        chosen = span_series(view) or chosen
    return _largest((s.component, float(_z_scores(s).max())) for s in chosen)


def _z_scores(series: Series) -> Values:
    """|value − mean| / standard deviation of each point now."""
    mean = float(series.before.mean())
    sigma = max(float(series.before.std()), LEAST_SIGMA * abs(mean), 1e-9)
    return np.abs(series.now - mean) / sigma


def _largest(scored: Iterable[tuple[Component, float]]) -> dict[Component, float]:
    largest: dict[Component, float] = {}
    for component, score in scored:
        largest[component] = max(score, largest.get(component, score))
    return largest
