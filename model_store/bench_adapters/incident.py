"""A synthetic incident whose metrics are what exporters tell of a pod of every service, so that they grow with it."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from model_store.simulate.generate import SyntheticCase, generate
from service.domain.evidence import Signal
from service.domain.incident import Incident
from service.domain.window import Window
from service.ports import METRICS

SEED = 3
SHORTEST = timedelta(minutes=5)
TRACES = 300
STEP = timedelta(seconds=15)
LEVELS: Mapping[str, tuple[str, float]] = {
    "container_cpu_usage": ("cores", 0.2),
    "container_memory_working_set": ("bytes", 2e8),
    "container_fs_writes": ("bytes/s", 4e3),
    "http_server_requests": ("1/s", 5.0),
    "http_server_request_duration_p90": ("s", 0.06),
    "db_client_connections_used": ("", 3.0),
    "up": ("", 1.0),
}
"""What is told of each pod: its unit and what it usually is."""


def incident_of(services: int, directory: Path) -> Incident:
    """One of a system of so many services, written to that directory as a case that has everything."""
    case = next(case for seed in itertools.count(SEED) if _told_well(case := _simulated(seed, services)))
    assert case.tables.spans is not None
    baseline = case.incident.baselines[Signal.TRACES]
    incident = replace(case.incident, baselines=dict.fromkeys(case.incident.baselines, baseline))
    metrics = _metrics(_pods(case.tables.spans), Window(baseline.start, incident.window.end))
    replace(case, incident=incident, tables=replace(case.tables, metrics=metrics)).write(directory)
    return incident


def _simulated(seed: int, services: int) -> SyntheticCase:
    return generate(seed, services=services, traces=TRACES)


def _told_well(case: SyntheticCase) -> bool:
    """Whether there are traces and logs, and minutes of them."""
    there = case.tables.spans is not None and case.tables.logs is not None
    return there and case.incident.window.length >= SHORTEST


def _pods(spans: pa.Table) -> list[tuple[str, str]]:
    """A pod of every service; a service without pods is its own."""
    pairs: list[dict[str, Any]] = spans.select(["pod", "service"]).to_pylist()
    pods = {pair["service"]: pair["pod"] or pair["service"] for pair in pairs}
    return sorted((pod, service) for service, pod in pods.items())


def _metrics(pods: list[tuple[str, str]], told: Window) -> pa.Table:
    rng = np.random.default_rng(SEED)
    moments = [told.start + STEP * n for n in range(told.length // STEP + 1)]
    columns: Any = zip(*_samples(rng, pods, moments), strict=True)
    kinds: Any = METRICS.types
    arrays: Any = [pa.array(list(column), kind) for column, kind in zip(columns, kinds, strict=True)]
    return pa.table(arrays, schema=METRICS)


def _samples(
    rng: np.random.Generator, pods: list[tuple[str, str]], moments: list[datetime]
) -> Iterator[tuple[datetime, str, str, str, str, str, float]]:
    for pod, service in pods:
        for metric, (unit, level) in LEVELS.items():
            values = level * (rng.uniform(0.8, 1.2, len(moments)) if metric != "up" else np.ones(len(moments)))
            for moment, value in zip(moments, values.tolist(), strict=True):
                yield moment, pod, "pod", service, metric, unit, value
