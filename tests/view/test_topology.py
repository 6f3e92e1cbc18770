from itertools import pairwise

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from service.evidence.tables import Compared, Tables
from service.view.topology import build_graph
from tests.telemetry_rows import NOON, at, logs, metrics, spans, topology


def call(number: int, service: str, parent: int | None, minute: float = 0.0, trace: str = "t") -> dict[str, object]:
    above = "" if parent is None else f"s{parent}"
    return {
        "trace_id": trace,
        "span_id": f"s{number}",
        "parent_span_id": above,
        "service": service,
        "start": at(minute),
    }


def seen(now: pa.Table, before: pa.Table | None = None) -> Tables:
    return Tables(alerted_at=NOON, spans=Compared(now, before))


def test_a_span_below_another_services_span_is_a_call() -> None:
    graph = build_graph(seen(spans(call(1, "shop", None), call(2, "shop", 1), call(3, "cart", 2), call(4, "db", 3))))
    assert graph.calls == {("shop", "cart"), ("cart", "db")}
    assert graph.services == ("shop", "cart", "db")


def test_calls_are_learned_from_the_baseline_too() -> None:
    graph = build_graph(seen(spans(call(1, "shop", None)), spans(call(2, "shop", None), call(3, "cart", 2))))
    assert graph.calls == {("shop", "cart")}


def test_a_parent_in_the_other_table_is_found() -> None:
    graph = build_graph(seen(spans(call(2, "cart", 1)), spans(call(1, "shop", None))))
    assert graph.calls == {("shop", "cart")}


def test_the_same_span_id_in_another_trace_is_not_the_parent() -> None:
    rows = spans(call(1, "shop", None, trace="t"), call(2, "cart", 1, trace="u"))
    assert build_graph(seen(rows)).calls == frozenset()


def test_a_parent_that_was_not_recorded_is_no_call() -> None:
    assert build_graph(seen(spans(call(2, "cart", 1)))).calls == frozenset()


def test_services_are_in_the_order_in_which_their_spans_start() -> None:
    rows = spans(call(1, "alpha", None, 3), call(2, "zeta", None, 1), call(3, "mid", None, 2))
    assert build_graph(seen(rows)).services == ("zeta", "mid", "alpha")


def test_topology_comes_first_then_spans_then_metrics_then_logs_then_the_alert() -> None:
    graph = build_graph(
        Tables(
            alerted_at=NOON,
            topology=topology({"source": "t2", "target": "t1"}),
            spans=Compared(spans({"service": "s"})),
            metrics=Compared(metrics({"service": "m"})),
            logs=Compared(logs({"service": "l"})),
            alerting=("x", "t1"),
        )
    )
    assert graph.services == ("t2", "t1", "s", "m", "l", "x")


@given(st.permutations(["ant", "bee", "cat", "dog"]), st.permutations(["n1", "n2", "n3", "n4"]))
def test_renamed_services_and_nodes_keep_their_places(names: list[str], nodes: list[str]) -> None:
    rows = [call(i, name, i - 1 if i else None, i) | {"node": nodes[i]} for i, name in enumerate(names)]
    rows += [call(9, names[0], None, 9) | {"node": nodes[3]}]
    graph = build_graph(seen(spans(*reversed(rows))))
    assert graph.services == tuple(names)
    assert graph.calls == set(pairwise(names))
    assert graph.hosts[names[0]] == (nodes[0], nodes[3])
    assert graph.nodes() == (nodes[0], nodes[3], nodes[1], nodes[2])


def test_series_of_edges_and_services_name_services_and_calls() -> None:
    table = metrics(
        {"component": "shop->cart", "kind": "edge", "service": ""},
        {"component": "queue", "kind": "service", "service": ""},
        {"component": "node-1", "kind": "node", "service": ""},
    )
    graph = build_graph(Tables(alerted_at=NOON, metrics=Compared(table)))
    assert set(graph.services) == {"shop", "cart", "queue"}
    assert graph.calls == {("shop", "cart")}


def test_pods_belong_to_services_by_any_signal() -> None:
    graph = build_graph(
        Tables(
            alerted_at=NOON,
            spans=Compared(spans({"service": "a", "pod": "a-1"})),
            metrics=Compared(metrics({"component": "b-1", "service": "b"}, {"component": "c", "kind": "service"})),
            logs=Compared(logs({"service": "d", "pod": "d-1"}, {"service": "d"})),
        )
    )
    assert graph.pods == {"a-1": "a", "b-1": "b", "d-1": "d"}


def test_hosts_are_those_of_spans_of_logs_and_of_what_runs_on_them() -> None:
    told = topology(
        {"source": "a-77-x", "target": "n1", "relation": "runs_on"},
        {"source": "b", "target": "n2", "relation": "runs_on"},
        {"source": "pod-of-c", "target": "n3", "relation": "runs_on"},
    )
    graph = build_graph(
        Tables(
            alerted_at=NOON,
            topology=told,
            spans=Compared(spans({"service": "a", "node": "n4"}, {"service": "c", "pod": "pod-of-c"})),
            logs=Compared(logs({"service": "b", "node": "n5"})),
        )
    )
    assert graph.hosts == {"a": ("n1", "n4"), "b": ("n2", "n5"), "c": ("n3",)}
    assert set(graph.services) == {"a", "b", "c"}


def test_nothing_known_is_an_empty_graph() -> None:
    assert build_graph(Tables(alerted_at=NOON)).services == ()
    assert build_graph(seen(spans(), spans())).services == ()


def test_one_component_alone_is_a_system() -> None:
    graph = build_graph(Tables(alerted_at=NOON, spans=Compared(spans({}, {})), alerting=("a",)))
    assert graph.services == ("a",)
    assert graph.calls == frozenset()
