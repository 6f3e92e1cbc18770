from collections.abc import Callable, Mapping

from model_store.evaluate.baselines.baro import baro
from model_store.evaluate.baselines.constant import alerting_service, guess
from model_store.evaluate.baselines.deviations import anomalous_signals, cpu_ratio, objective_z_score
from model_store.evaluate.baselines.gap import gap
from model_store.evaluate.baselines.three_statistics import three_statistics
from service.domain.component import Component
from service.view.view import View

Baseline = Callable[[View], Mapping[Component, float]]
"""Looks at a view's raw tables and says how suspicious each component is; what it does not name, it does not answer."""

BARO = "BARO's scorer"

BASELINES: dict[str, Baseline] = {
    "random": guess,
    "alerting service": alerting_service,
    "anomalous signals": anomalous_signals,
    "gap alone": gap,
    "CPU ratio alone": cpu_ratio,
    "z-score of objectives": objective_z_score,
    "three statistics": three_statistics,
    BARO: baro,
}
