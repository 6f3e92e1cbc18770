from collections.abc import Iterable
from typing import Any, cast

import numpy as np
import pyarrow as pa

from service.domain.component import EDGE_ARROW
from service.domain.graph import ServiceGraph
from service.evidence.lineage import Ints, calling, codes, crossings, linked_rows, parent_rows
from service.evidence.tables import Compared, Tables

Pairs = list[tuple[str, str]]


def build_graph(tables: Tables) -> ServiceGraph:
    """Who calls whom and what runs where, as far as any telemetry tells.

    Services are in the order in which the data first names them: topology, spans by their start, metrics, logs, last
    those that only an alert names. A name never decides its place, so that aliases do not depend on names.
    """
    spans, metrics, logs = _by_start(_rows(tables.spans)), _rows(tables.metrics), _rows(tables.logs)
    calls, runs_on = _relations(tables.topology, "calls"), _relations(tables.topology, "runs_on")
    named_calls = _calls_by_attributes(spans)
    edges = calls + _span_calls(spans) + named_calls + _edge_calls(metrics)
    pods = _pods(spans, metrics, logs)
    in_spans, in_logs = _pairs(spans, "service", "node"), _pairs(logs, "service", "node")
    named = [
        *(name for pair in calls for name in pair),
        *(service for service, _ in in_spans),
        *(name for pair in named_calls for name in pair),
        *_metric_services(metrics),
        *(service for service, _ in in_logs),
    ]
    known = dict.fromkeys(name for name in named if name)
    hosted = [(_hosted_service(source, pods, known), node) for source, node in runs_on] + in_spans + in_logs
    services = dict.fromkeys([*known, *(service for service, _ in hosted), *tables.alerting])
    return ServiceGraph(
        services=tuple(name for name in services if name),
        calls=frozenset((a, b) for a, b in edges if a and b and a != b),
        pods=pods,
        hosts=_grouped((service, node) for service, node in hosted if service and node),
        roles={peer: role for peer, role in reversed(_pairs(spans, "peer", "peer_role")) if peer and role},
    )


def _rows(compared: Compared | None) -> pa.Table | None:
    """Rows of now and before together: who calls whom does not change with the fault, and more is seen."""
    return None if compared is None else compared.together


def _by_start(spans: pa.Table | None) -> pa.Table | None:
    if spans is None:
        return None
    starts: Any = spans.column("start")
    order = np.argsort(starts.cast(pa.int64()).to_numpy(), kind="stable")
    return spans.select(_TOLD_BY_SPANS).take(order)


_TOLD_BY_SPANS = [
    *("trace_id", "span_id", "parent_span_id", "service", "pod", "node", "kind"),
    *("peer", "peer_role", "linked_trace_id", "linked_span_id"),
]


def _relations(topology: pa.Table | None, relation: str) -> Pairs:
    if topology is None:
        return []
    source, target, relations = (topology.column(name).to_pylist() for name in ("source", "target", "relation"))
    return [(str(a), str(b)) for a, b, r in zip(source, target, relations, strict=True) if r == relation]


def _span_calls(spans: pa.Table | None) -> Pairs:
    """A span whose parent, or the call that it is linked to, belongs to another service is a call from that one to this
    one; from the queue, where that one spoke to a queue.
    """
    if spans is None or spans.num_rows == 0:
        return []
    parent, linked = parent_rows(spans), linked_rows(spans)
    (own, names), (peer, peers) = codes(spans.column("service")), codes(spans.column("peer"))
    queues = np.asarray([role == "queue" for role in spans.column("peer_role").to_pylist()]) & calling(spans)
    source = np.where(queues, len(names) + peer, own)
    pairs: Pairs = []
    for caller in (parent, linked):
        if caller is not None:
            rows = np.flatnonzero(crossings(caller, own))
            pairs += _distinct(source[caller[rows]], own[rows], [*names, *peers], names)
    return pairs


def _calls_by_attributes(spans: pa.Table | None) -> Pairs:
    """Callers and whom their spans say that they speak to; queues and who says that it reads from them."""
    if spans is None or not any(cast(Any, spans.column("peer")).unique().to_pylist()):
        return []
    calls = calling(spans)
    named = np.asarray(spans.column("peer").to_pylist()) != ""
    consumers = np.asarray(spans.column("kind").to_pylist()) == "consumer"
    table = cast(Any, spans)
    asked, read = table.filter(pa.array(named & calls)), table.filter(pa.array(named & consumers))
    return [*_pairs(asked, "service", "peer"), *_pairs(read, "peer", "service")]


def _edge_calls(metrics: pa.Table | None) -> Pairs:
    ends = (name.partition(EDGE_ARROW) for name in _components(metrics, "edge"))
    return [(caller, callee) for caller, _, callee in ends]


def _components(metrics: pa.Table | None, kind: str) -> list[str]:
    return [component for component, its_kind in _pairs(metrics, "component", "kind") if its_kind == kind]


def _metric_services(metrics: pa.Table | None) -> list[str]:
    """Services that series belong to, speak of, or lie between."""
    belong = [service for service, _ in _pairs(metrics, "service", "kind")]
    between = [end for pair in _edge_calls(metrics) for end in pair]
    return [*belong, *_components(metrics, "service"), *between]


def _pods(spans: pa.Table | None, metrics: pa.Table | None, logs: pa.Table | None) -> dict[str, str]:
    pods = set(_components(metrics, "pod"))
    of_metrics = [(pod, service) for pod, service in _pairs(metrics, "component", "service") if pod in pods]
    told = [*_pairs(spans, "pod", "service"), *of_metrics, *_pairs(logs, "pod", "service")]
    return {pod: service for pod, service in reversed(told) if pod and service}


def _hosted_service(source: str, pods: dict[str, str], known: dict[str, None]) -> str:
    """What runs on a node is a service or one of its pods, which orchestrators name ``service-…``."""
    if source in known:
        return source
    if source in pods:
        return pods[source]
    owners = [name for name in known if source.startswith(f"{name}-")]
    return max(owners, key=len, default=source)


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """The distinct values of each key, in their order."""
    groups: dict[str, dict[str, None]] = {}
    for key, value in pairs:
        groups.setdefault(key, {})[value] = None
    return {key: tuple(values) for key, values in groups.items()}


def _pairs(table: pa.Table | None, first: str, second: str) -> Pairs:
    """Distinct pairs of two text columns, in the order of their first rows."""
    if table is None or table.num_rows == 0:
        return []
    (a, a_names), (b, b_names) = codes(table.column(first)), codes(table.column(second))
    return _distinct(a, b, a_names, b_names)


def _distinct(a: Ints, b: Ints, a_names: list[str], b_names: list[str]) -> Pairs:
    keys, first_rows = np.unique(a * len(b_names) + b, return_index=True)
    in_order = keys[np.argsort(first_rows)]
    return [(a_names[key // len(b_names)], b_names[key % len(b_names)]) for key in in_order.tolist()]
