import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from deploy.testbed.conductor import Change
from deploy.testbed.containers import Pod
from deploy.testbed.telemetry_tables import change_table, log_table, span_table, topology_table
from deploy.testbed.topology import read_shop
from service.domain.window import Window
from service.ports import ADDED, CHANGES, LOGS, SPANS, TOPOLOGY

T0 = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
WINDOW = Window(T0, T0 + timedelta(seconds=60))


def exported(start: datetime, *, error: bool = False) -> bytes:
    nanoseconds = int(start.timestamp()) * 10**9 + start.microsecond * 1000
    attributes = {"service.name": "orders", "k8s.pod.name": "orders-0", "k8s.node.name": "shelf-b"}
    span = Span(
        trace_id=bytes(range(16)),
        span_id=bytes(range(8)),
        name="GET /place",
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=nanoseconds,
        end_time_unix_nano=nanoseconds + 12_345_678,
        status=Status(code=Status.STATUS_CODE_ERROR if error else Status.STATUS_CODE_UNSET),
    )
    told = [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in attributes.items()]
    resource = ResourceSpans(resource=Resource(attributes=told), scope_spans=[ScopeSpans(spans=[span])])
    return ExportTraceServiceRequest(resource_spans=[resource]).SerializeToString()


def test_exported_spans_become_rows() -> None:
    table = span_table([exported(T0, error=True)], WINDOW)
    assert table.schema == SPANS
    assert table.to_pylist() == [
        {
            "trace_id": "000102030405060708090a0b0c0d0e0f",
            "span_id": "0001020304050607",
            "parent_span_id": "",
            "service": "orders",
            "pod": "orders-0",
            "node": "shelf-b",
            "operation": "GET /place",
            "kind": "server",
            "start": T0,
            "duration_us": 12_345,
            "status": "error",
            **dict.fromkeys(ADDED, ""),
        }
    ]


def test_spans_outside_of_the_window_are_left_out_and_the_rest_is_in_order() -> None:
    starts = [T0 + timedelta(seconds=s) for s in (30, -1, 10, 61)]
    table = span_table([exported(start) for start in starts], WINDOW)
    assert table.column("start").to_pylist() == [starts[2], starts[0]]


def test_log_lines_of_pods_become_rows_and_what_is_half_written_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "orders-0.log"
    line = {"time": T0.isoformat(), "severity": "ERROR", "body": "a\nb", "trace_id": "01", "span_id": "02"}
    path.write_text(f'{json.dumps(line)}\n{{"time": "2026\nListening\n')
    table = log_table([(Pod("orders-0", "orders", "shelf-b"), path)], WINDOW)
    assert table.schema == LOGS
    assert table.to_pylist() == [line | {"time": T0, "service": "orders", "pod": "orders-0", "node": "shelf-b"}]


def test_the_topology_names_services_stores_and_nodes() -> None:
    shop = read_shop("bookshop")
    table = topology_table(shop)
    rows = set(zip(*(table.column(name).to_pylist() for name in table.column_names), strict=True))
    assert table.schema == TOPOLOGY
    assert {("orders", "payment", "calls"), ("orders", "books-db", "calls"), ("books-db", "shelf-b", "runs_on")} <= rows


def test_changes_of_the_window_are_kept() -> None:
    changes = [Change(T0 + timedelta(seconds=s), "orders", "deploy", "1 -> 2") for s in (-5, 5)]
    table = change_table(changes, WINDOW)
    assert table.schema == CHANGES
    assert table.column("time").to_pylist() == [changes[1].at]


def test_nothing_told_makes_empty_tables() -> None:
    assert span_table([], WINDOW).num_rows == change_table([], WINDOW).num_rows == 0
