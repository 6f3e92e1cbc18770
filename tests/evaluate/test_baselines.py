from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from model_store.evaluate.baselines import baro
from model_store.evaluate.baselines.constant import alerting_service, guess
from model_store.evaluate.baselines.deviations import anomalous_signals, cpu_ratio, objective_z_score
from model_store.evaluate.baselines.gap import gap
from model_store.evaluate.baselines.registry import BASELINES
from model_store.evaluate.baselines.three_statistics import three_statistics
from service.domain.alert import Alert
from service.domain.component import Component, ComponentKind, service
from service.domain.graph import ServiceGraph
from service.domain.incident import Incident
from service.domain.window import Window
from service.evidence.tables import Compared, Tables
from service.extras import absent
from service.ports import LOGS, METRICS, SPANS
from service.view.view import View

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
GRAPH = ServiceGraph(
    services=("front", "cart", "pay"),
    calls=frozenset({("front", "cart"), ("front", "pay")}),
    hosts={"cart": ("node-a",)},
)


def view(spans: Compared | None = None, logs: Compared | None = None, metrics: Compared | None = None) -> View:
    alert = Alert("f", NOON, labels={"service": "front"})
    incident = Incident("i", (alert,), Window(NOON, NOON + timedelta(minutes=10)))
    return View(incident, Tables(NOON, spans, logs, metrics), GRAPH, (), None)


def metric(name: str, values: Mapping[str, list[float]], *, kind: str = "service") -> pa.Table:
    rows = [
        {
            "time": NOON + timedelta(minutes=minute),
            "component": component,
            "kind": kind,
            "service": component if kind == "service" else "",
            "metric": name,
            "unit": "",
            "value": value,
        }
        for component, points in values.items()
        for minute, value in enumerate(points)
    ]
    return pa.Table.from_pylist(rows, METRICS)


def calls(waits_us: Mapping[str, int]) -> pa.Table:
    """From front, a call to each that takes 1,000 µs there and so many µs more at the caller; every 10 s."""
    rows: list[dict[str, object]] = []
    for second in range(0, 120, 10):
        for callee, wait_us in waits_us.items():
            trace = f"{second}-{callee}"
            common: dict[str, object] = {
                "trace_id": trace,
                "pod": "",
                "node": "",
                "status": "ok",
                "start": NOON + timedelta(0, second),
            }
            parent: dict[str, object] = {
                "span_id": "p",
                "parent_span_id": "",
                "service": "front",
                "operation": "call",
                "kind": "client",
            }
            child: dict[str, object] = {
                "span_id": "c",
                "parent_span_id": "p",
                "service": callee,
                "operation": "do",
                "kind": "server",
            }
            rows.append(common | parent | {"duration_us": 1_000 + wait_us})
            rows.append(common | child | {"duration_us": 1_000})
    return pa.Table.from_pylist(rows, SPANS)


def calls_traces(callee: str) -> list[str]:
    """The ids of the traces in which `calls` calls it."""
    return [f"{second}-{callee}" for second in range(0, 120, 10)]


def log_lines(bodies: list[str]) -> pa.Table:
    rows = [
        dict.fromkeys(LOGS.names, "") | {"time": NOON + timedelta(seconds=i), "service": "cart", "body": body}
        for i, body in enumerate(bodies)
    ]
    return pa.Table.from_pylist(rows, LOGS)


def worst(suspicions: Mapping[Component, float]) -> str:
    return max(suspicions, key=lambda component: suspicions[component]).name


STEADY = [1.0, 1.1, 0.9, 1.0]


def test_a_guess_holds_every_component_for_equally_likely() -> None:
    everything = [*map(service, GRAPH.services), Component(ComponentKind.NODE, "node-a")]
    assert guess(view()) == dict.fromkeys(everything, 0.0)


def test_the_alerting_service_is_all_that_the_constant_answers() -> None:
    assert alerting_service(view()) == {service("front"): 0.0}


def test_the_gap_is_the_wait_that_the_callee_does_not_cover() -> None:
    spans = Compared(calls({"cart": 300, "pay": 9_000}), calls({"cart": 100, "pay": 100}))
    assert gap(view(spans=spans)) == {service("cart"): 200.0, service("pay"): 8_900.0}


def test_the_cpu_ratio_compares_means_and_ignores_other_metrics() -> None:
    cpu = Compared(metric("cpu", {"cart": [4.0, 4.0], "pay": [10.0]}), metric("cpu", {"cart": [2.0], "pay": [9.0]}))
    memory = Compared(metric("memory", {"pay": [900.0]}), metric("memory", {"pay": [1.0]}))
    assert cpu.before is not None
    assert memory.before is not None
    both = Compared(pa.concat_tables([cpu.now, memory.now]), pa.concat_tables([cpu.before, memory.before]))
    suspicions = cpu_ratio(view(metrics=both))
    assert suspicions[service("cart")] == 2.0
    assert worst(suspicions) == "cart"


def test_the_count_takes_every_signal_beyond_three_sigmas() -> None:
    metrics = Compared(metric("cpu", {"cart": [9.0], "pay": [1.05]}), metric("cpu", {"cart": STEADY, "pay": STEADY}))
    logs = Compared(log_lines(["order 17 failed", "order 18 failed"]), log_lines(["all is well"] * 30))
    spans = Compared(calls({"cart": 100}), calls({"cart": 100}))
    assert anomalous_signals(view(spans, logs, metrics)) == {service("cart"): 3}  # cpu, the new line, the missing one


def test_the_z_score_reads_objectives_where_there_are_some_and_spans_where_not() -> None:
    before, now = {"cart": STEADY, "pay": STEADY}, {"cart": [1.1], "pay": [5.0]}
    by_metric = view(metrics=Compared(metric("latency_p95", now), metric("latency_p95", before)))
    by_span = view(spans=Compared(calls({"cart": 5_000}), calls({"cart": 100})))
    assert worst(objective_z_score(by_metric)) == "pay"
    assert worst(objective_z_score(by_span)) == "front"


def test_nodes_are_counted_for_themselves() -> None:
    metrics = Compared(metric("cpu", {"node-a": [9.0]}, kind="node"), metric("cpu", {"node-a": STEADY}, kind="node"))
    assert cpu_ratio(view(metrics=metrics)) == {Component(ComponentKind.NODE, "node-a"): 9.0}


@pytest.mark.skipif(bool(absent("evaluation")), reason="the evaluation extra (fse-baro) is not installed")
@pytest.mark.filterwarnings("default")
def test_baros_scorer_puts_the_largest_robust_score_first() -> None:
    before = metric("cpu", {"cart": STEADY, "pay": STEADY, "front": STEADY})
    now = metric("cpu", {"cart": [1.2, 1.1], "pay": [8.0, 7.0], "front": [1.0, 1.1]})
    suspicions = baro.baro(view(metrics=Compared(now, before)))
    assert worst(suspicions) == "pay"


@pytest.mark.parametrize("name", [n for n in BASELINES if n not in ("random", "alerting service")])
@pytest.mark.parametrize("baseline", ["absent", "empty"])
def test_without_a_baseline_no_method_invents_an_answer(name: str, baseline: str) -> None:
    def compared(table: pa.Table) -> Compared:
        return Compared(table, None if baseline == "absent" else table.slice(0, 0))

    seen = view(
        spans=compared(calls({"cart": 5_000})),
        logs=compared(log_lines([])),
        metrics=compared(metric("cpu", {"cart": [9.0]})),
    )
    assert not BASELINES[name](seen)
    assert not BASELINES[name](view())


def test_three_statistics_take_the_largest_of_wait_statements_and_cpu() -> None:
    slow = Compared(calls({"cart": 100_000, "pay": 100}), calls({"cart": 100, "pay": 100}))
    assert worst(three_statistics(view(spans=slow))) == "cart"
    busy = Compared(metric("cpu", {"cart": [10.0], "pay": [900.0]}), metric("cpu", {"cart": [10.0], "pay": [10.0]}))
    assert worst(three_statistics(view(spans=slow, metrics=busy))) == "pay"
    lines = log_lines(["ERROR Cart#17 lost 3"] * 12).set_column(6, "trace_id", pa.array(calls_traces("cart")))
    lines = lines.set_column(7, "span_id", pa.array(["c"] * 12))
    failing = Compared(calls({"cart": 100, "pay": 100}), calls({"cart": 100, "pay": 100}))
    assert worst(three_statistics(view(spans=failing, logs=Compared(lines, lines.slice(0, 0))))) == "cart"


def test_three_statistics_look_at_the_time_since_the_onset() -> None:
    late = view(
        metrics=Compared(
            metric("cpu", {"cart": [900.0, 1.0], "pay": [1.0, 90.0]}), metric("cpu", {"cart": STEADY, "pay": STEADY})
        )
    )
    assert worst(three_statistics(late)) == "cart"
    assert worst(three_statistics(replace(late, onset=NOON + timedelta(seconds=30)))) == "pay"
