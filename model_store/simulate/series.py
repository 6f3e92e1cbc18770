"""What is measured, as samples under the names of the system's conventions (`METRICS`)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from model_store.simulate.gauges import OF_NODES, Gauges
from model_store.simulate.system import LEAVES, System
from model_store.simulate.traffic import Traffic
from model_store.simulate.workload import Floats
from service.domain.component import edge
from service.ports import METRICS, TIME


@dataclass(frozen=True, slots=True)
class _Measured:
    """One measure: what it is about (component, its kind, its service), a row of values each."""

    measure: str
    kind: str
    components: list[str]
    services: list[str]
    values: Floats


def metric_table(rng: np.random.Generator, gauges: Gauges, counted: Traffic, zero_us: int) -> pa.Table:
    """All samples, series by series, of what the system measures."""
    measures = gauges.system.style.measures
    tables = [_table(m, *measures[m.measure], gauges.times_us, zero_us) for m in _measured(rng, gauges, counted)]
    return pa.concat_tables(tables).combine_chunks() if tables else METRICS.empty_table()


def _measured(rng: np.random.Generator, gauges: Gauges, counted: Traffic) -> Iterator[_Measured]:
    system, values = gauges.system, gauges.values
    wanted = system.style.measures
    by_pod = {name: values[name] for name in ("memory", "disk", "restarts", "up", "loop")}
    load = _load(counted.requests)
    by_pod |= {"cpu": values["cpu"] * load, "network": values["network"] * load}
    by_pod |= {"requests": counted.requests, "failures": counted.failures}
    by_pod |= {"latency_mean": counted.latency_mean, "latency_high": counted.latency_high}
    in_use, waiting = _pool(rng, gauges, counted)
    by_pod |= {"pool_used": in_use, "pool_waiting": waiting, "lag": counted.lag}
    by_pod = {measure: np.where(gauges.running, series, np.nan) for measure, series in by_pod.items()}
    rows = _rows(system)
    names, owners = list(system.pod_names), [system.names[s] for s in system.pod_service]
    for measure, series in by_pod.items():
        its = np.flatnonzero(rows.get(measure, rows["inner"] if measure not in _OF_EVERY_POD else rows["all"]))
        if measure in wanted and len(its) and system.style.by_service:
            yield _by_service(system, measure, series, its)
        elif measure in wanted and len(its):
            yield _Measured(measure, "pod", [names[i] for i in its], [owners[i] for i in its], series[its])
    for measure, series in _edges(counted).items():
        if measure in wanted and len(counted.edges):
            pairs = [edge(system.names[a], system.names[b]).name for a, b in counted.edges]
            yield _Measured(measure, "edge", pairs, [""] * len(pairs), series)
    for measure, series in _stores(rng, gauges, counted).items():
        stores = [s for s, role in enumerate(system.roles) if role in LEAVES]
        if measure in wanted and stores:
            its = [system.names[s] for s in stores]
            yield _Measured(measure, "service", its, its, series[stores])
    for measure in OF_NODES:
        if measure in wanted:
            series = np.minimum(values[measure], 100.0) if measure == "node" else values[measure]
            yield _Measured(measure, "node", list(system.nodes), [""] * len(system.nodes), series)


def _by_service(system: System, measure: str, series: Floats, its: np.ndarray) -> _Measured:
    """The same for services: the mean of their pods."""
    of_pod = np.array(system.pod_service)[its]
    services = np.unique(of_pod)
    known = np.isfinite(series[its])
    sums, counts = (np.zeros((len(services), series.shape[1])) for _ in range(2))
    np.add.at(sums, np.searchsorted(services, of_pod), np.where(known, series[its], 0.0))
    np.add.at(counts, np.searchsorted(services, of_pod), known)
    names = [system.names[s] for s in services]
    return _Measured(measure, "service", names, names, np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))


_OF_EVERY_POD = frozenset(["cpu", "memory", "disk", "network", "restarts"])


def _rows(system: System) -> dict[str, np.ndarray]:
    """Which pods have which series."""
    leaf = np.array([system.roles[s] in LEAVES for s in system.pod_service])
    consumers = {callee for (_, callee), manner in system.manners.items() if manner.message}
    return {
        "all": np.ones(len(leaf), bool),
        "inner": ~leaf,
        "loop": ~leaf & np.array([system.one_thread[s] for s in system.pod_service]),
        "lag": np.array([s in consumers for s in system.pod_service]),
    }


def _load(requests: Floats) -> Floats:
    """How much more or less there is to do than is usual for the pod; 1 where it is never asked."""
    asked = np.nan_to_num(requests)
    usual = np.array([np.median(row[row > 0]) if (row > 0).any() else 0.0 for row in asked])[:, None]
    return np.where(usual > 0, 0.4 + 0.6 * asked / np.maximum(usual, 1e-9), 1.0)


def _pool(rng: np.random.Generator, gauges: Gauges, counted: Traffic) -> tuple[Floats, Floats]:
    """Connections in use when the sample is taken, and requests that wait for one."""
    size = rng.integers(4, 16, (len(counted.busy), 1))
    asked = rng.poisson(np.clip(np.nan_to_num(counted.busy), 0, 200)) + np.nan_to_num(gauges.values["pool_taken"])
    waiting = np.maximum(asked - size, 0) + np.nan_to_num(gauges.values["pool_waiting"])
    return np.minimum(asked, size).astype(np.float64), waiting.astype(np.float64)


def _edges(counted: Traffic) -> dict[str, Floats]:
    return {"edge_latency": counted.edge_latency, "edge_failures": counted.edge_failures}


def _stores(rng: np.random.Generator, gauges: Gauges, counted: Traffic) -> dict[str, Floats]:
    system = gauges.system
    served = np.zeros((len(system.names), len(gauges.times_us)))
    np.add.at(served, list(system.pod_service), np.nan_to_num(counted.requests))
    return {
        "store_up": np.where(gauges.values["store_up"] > 0.5, 1.0, 0.0),
        "store_clients": np.round(gauges.values["store_clients"]),
        "store_locks": np.round(gauges.values["store_locks"] * rng.uniform(0.6, 1.2, served.shape)),
        "store_commands": served,
    }


def _table(m: _Measured, name: str, unit: str, scale: float, times_us: Floats, zero_us: int) -> pa.Table:
    series, sample = np.nonzero(np.isfinite(m.values))
    columns = [
        pa.array((zero_us + times_us[sample]).astype(np.int64)).cast(TIME),
        _texts(m.components).take(series),
        pa.array([m.kind], pa.string()).take(np.zeros_like(series)),
        _texts(m.services).take(series),
        pa.array([name], pa.string()).take(np.zeros_like(series)),
        pa.array([unit], pa.string()).take(np.zeros_like(series)),
        pa.array(_rounded(m.values[series, sample] * scale)),
    ]
    return pa.table(columns, schema=METRICS)


def _rounded(values: Floats) -> Floats:
    """Four digits: exporters tell no more."""
    magnitude = 10.0 ** (3 - np.floor(np.log10(np.maximum(np.abs(values), 1e-12))))
    return np.round(values * magnitude) / magnitude


def _texts(names: list[str]) -> Any:
    return pa.array(names, pa.string())
