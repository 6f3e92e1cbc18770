"""What was told during a recording, as the tables of a case."""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from deploy.testbed.conductor import Change
from deploy.testbed.containers import Pod
from deploy.testbed.errors import RejectedError
from deploy.testbed.topology import Shop
from service.domain.window import Window
from service.ports import CHANGES, LOGS, METRICS, SPANS, TOPOLOGY

KINDS = ("", "internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")
UNNAMED = ("",) * 4
"""Whom spans speak to and what they are linked to is not recorded: the shop's topology says whom it calls."""
STEP_S = 5
LIMIT_S = 20

Row = tuple[object, ...]


def span_table(bodies: Iterable[bytes], window: Window) -> pa.Table:
    """Spans (`SPANS`) of OTLP requests that start in the window, by start."""
    rows = [row for body in bodies for row in _spans(body, window)]
    return _table(sorted(rows, key=lambda row: row[8]), SPANS)  # type: ignore[arg-type, return-value]


def _spans(body: bytes, window: Window) -> Iterator[Row]:
    first, last = _microseconds(window.start), _microseconds(window.end)
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        told = {a.key: a.value.string_value for a in resource.resource.attributes}
        owner = (told["service.name"], told.get("k8s.pod.name", ""), told.get("k8s.node.name", ""))
        for span in itertools.chain.from_iterable(scope.spans for scope in resource.scope_spans):
            start = span.start_time_unix_nano // 1000
            if first <= start <= last:
                ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                duration = (span.end_time_unix_nano - span.start_time_unix_nano) // 1000
                status = STATUSES[span.status.code]
                yield (*ids, *owner, span.name, KINDS[span.kind], start, duration, status, *UNNAMED)


def log_table(files: Iterable[tuple[Pod, Path]], window: Window) -> pa.Table:
    """Log records (`LOGS`) in the window, from the JSON lines that pods wrote, by time.

    A line that is no JSON (a server's own words, what a killed process left half written) has no time and is left out.
    """
    rows: list[Row] = []
    for pod, path in files:
        owner = (pod.service, pod.name, pod.node)
        inside = (row for row in log_rows(path.read_text(errors="replace")) if window.start <= row[0] <= window.end)
        rows += [(_microseconds(time), *owner, *rest) for time, *rest in inside]
    return _table(sorted(rows, key=lambda row: row[0]), LOGS)  # type: ignore[arg-type, return-value]


def log_rows(text: str) -> Iterator[tuple[datetime, str, str, str, str]]:
    """Time, severity, body, trace id and span id of the JSON lines in a pod's log; other lines are left out."""
    for line in text.splitlines():
        try:
            told = json.loads(line)
            yield datetime.fromisoformat(told["time"]), *(told[k] for k in ("severity", "body", "trace_id", "span_id"))
        except (ValueError, KeyError, TypeError):
            continue


@dataclass(frozen=True, slots=True)
class Measure:
    """A series to record: its name and unit in the case, whose it is (pod, node, edge, service), and its PromQL."""

    metric: str
    unit: str
    kind: str
    query: str


_R = "[12s]"
# What runs at a lower priority (`nice`) gives way at once: a core that only it keeps busy is free for a service.
_BUSY = f'sum by (cpu) (rate(node_cpu_seconds_total{{mode!~"idle|nice|iowait"}}{_R}))'
MEASURES = (
    Measure("container_cpu_usage", "cores", "pod", f"rate(container_cpu_usage_seconds_total{_R})"),
    Measure("container_memory_working_set", "bytes", "pod", "container_memory_working_set_bytes"),
    Measure("container_fs_writes", "bytes/s", "pod", f"rate(container_fs_writes_bytes_total{_R})"),
    Measure("container_restarts", "", "pod", "kube_pod_container_status_restarts_total"),
    Measure(
        "http_server_requests", "1/s", "pod",
        f"sum by (service, pod, node) (rate(http_server_request_duration_seconds_count{_R}))",
    ),
    Measure(
        "http_server_errors", "1/s", "pod",
        f'sum by (service, pod, node) (rate(http_server_request_duration_seconds_count{{status=~"5.."}}{_R}))',
    ),
    Measure(
        "http_server_request_duration_p90", "s", "pod",
        f"histogram_quantile(0.9, sum by (le, service, pod, node) "
        f"(rate(http_server_request_duration_seconds_bucket{_R})))",
    ),
    Measure(
        "http_client_request_duration_mean", "s", "edge",
        f"sum by (service, peer) (rate(http_client_request_duration_seconds_sum{_R})) "
        f"/ sum by (service, peer) (rate(http_client_request_duration_seconds_count{_R}))",
    ),
    Measure(
        "http_client_request_failures", "1/s", "edge",
        f"sum by (service, peer) (rate(http_client_request_failures_total{_R}))",
    ),
    Measure("event_loop_lag", "s", "pod", "max_over_time(event_loop_lag_seconds[6s])"),
    Measure("db_client_connections_used", "", "pod", "max_over_time(db_client_connections_used[6s])"),
    Measure("db_client_connections_pending_requests", "", "pod",
            "max_over_time(db_client_connections_pending_requests[6s])"),
    Measure("messaging_consumer_lag", "messages", "pod", "max_over_time(messaging_consumer_lag_messages[6s])"),
    Measure("store_up", "", "service", "store_up"),
    Measure("pg_locks_waiting", "", "service", "pg_locks_waiting"),
    Measure("pg_sessions_active", "", "service", "pg_sessions_active"),
    Measure("pg_sessions_idle_in_transaction", "", "service", "pg_sessions_idle_in_transaction"),
    Measure("pg_transactions", "1/s", "service", f"rate(pg_transactions_total{_R})"),
    Measure("redis_connected_clients", "", "service", "redis_connected_clients"),
    Measure("redis_commands", "1/s", "service", f"rate(redis_commands_processed_total{_R})"),
    Measure("up", "", "pod", 'up{job="services"}'),
    Measure("node_cpu_utilization", "", "node", _BUSY),
    Measure("node_memory_available", "bytes", "node", "node_memory_MemAvailable_bytes"),
    Measure("node_disk_written", "bytes/s", "node", f"sum(rate(node_disk_written_bytes_total{_R}))"),
)  # fmt: skip


def metric_table(prometheus: str, shop: Shop, cpus: int, window: Window) -> pa.Table:
    """Samples (`METRICS`) of the window as Prometheus answers for them. Raises `RejectedError` if it does not."""
    rows: list[Row] = []
    with httpx.Client(base_url=prometheus, timeout=LIMIT_S) as client:
        for measure in MEASURES:
            for labels, values in _series(client, measure.query, window):
                for component, service in _whose(measure, labels, shop, cpus):
                    own = (component, measure.kind, service, measure.metric, measure.unit)
                    rows += [(round(at * 1e6), *own, round(float(value), 6)) for at, value in values]
    return _table([row for row in rows if row[-1] == row[-1]], METRICS)


def _series(client: httpx.Client, query: str, window: Window) -> list[tuple[dict[str, str], list[tuple[float, str]]]]:
    parameters = {"query": query, "start": window.start.timestamp(), "end": window.end.timestamp(), "step": STEP_S}
    try:
        answer = client.post("/api/v1/query_range", data=parameters).raise_for_status().json()
    except httpx.HTTPError as error:
        raise RejectedError(f"Prometheus does not answer '{query[:60]}': {error}") from None
    return [(series["metric"], series["values"]) for series in answer["data"]["result"]]


def _whose(measure: Measure, labels: Mapping[str, str], shop: Shop, cpus: int) -> Iterator[tuple[str, str]]:
    """Component and service of a series. The machine's series are every node's, except for those of one core."""
    if measure.kind == "edge":
        yield f"{labels['service']}->{labels['peer']}", labels["service"]
    elif measure.kind == "node":
        for node in shop.nodes:
            if labels.get("cpu", str(shop.cpu(node, cpus))) == str(shop.cpu(node, cpus)):
                yield node, ""
    elif measure.kind == "service":
        yield labels["service"], labels["service"]
    elif "pod" in labels:
        yield labels["pod"], labels["service"]


def topology_table(shop: Shop) -> pa.Table:
    """Who calls whom and what runs where (`TOPOLOGY`)."""
    calls = [(caller, callee, "calls") for caller, callee in shop.calls()]
    hosts = [(name, shop.node_of(name), "runs_on") for name in (*shop.services, *shop.stores)]
    return _table([*calls, *hosts], TOPOLOGY)


def change_table(changes: Iterable[Change], window: Window) -> pa.Table:
    """Changes (`CHANGES`) in the window, by time."""
    inside = sorted((c for c in changes if window.start <= c.at <= window.end), key=lambda c: c.at)
    return _table([(_microseconds(c.at), c.service, c.kind, c.summary) for c in inside], CHANGES)


def _table(rows: list[Row], schema: pa.Schema) -> pa.Table:
    columns: list[Any] = list(zip(*rows, strict=True)) if rows else [()] * len(schema.names)
    kinds: Any = schema.types
    return pa.table([pa.array(list(column), kind) for column, kind in zip(columns, kinds, strict=True)], schema=schema)


def _microseconds(moment: datetime) -> int:
    return round(moment.astimezone(UTC).timestamp() * 1e6)
