"""OTLP requests for tests: rows as a sender would tell them, and single records with only what matters said."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from service.stores.case_tables import CaseTables
from service.stores.embedded.decoded import Acceptable, microseconds
from service.stores.embedded.intake import Intake, Kind, Receipt, Sent
from service.stores.fake_traces import span_attributes
from tests.telemetry_rows import NOON, at

KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
STATUSES = {"ok": 1, "error": 2}
TIMES = Acceptable.at(at(15), at(15) - at(-120))
"""What comes in at a quarter past noon, if rows are kept for a good two hours."""

NOON_NS = microseconds(NOON) * 1000


def nanoseconds(moment: datetime) -> int:
    return microseconds(moment) * 1000


def attributes(told: dict[str, object]) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in told.items()]


def any_value(value: object) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case _:
            return AnyValue(string_value=str(value))


def resource(**told: object) -> Resource:
    """``service_name="a"`` is the attribute ``service.name``."""
    return Resource(attributes=attributes({key.replace("_", "."): value for key, value in told.items()}))


def of_row(row: dict[str, Any]) -> Resource:
    told = {"service.name": row["service"], "k8s.pod.name": row.get("pod", ""), "k8s.node.name": row.get("node", "")}
    return Resource(attributes=attributes({key: value for key, value in told.items() if value}))


def span(**told: Any) -> Span:
    usual: dict[str, Any] = {
        "trace_id": b"t" * 16,
        "span_id": b"s" * 8,
        "name": "get",
        "start_time_unix_nano": NOON_NS,
        "end_time_unix_nano": NOON_NS + 1_000_000,
    }
    return Span(**(usual | told))


def trace_request(*spans: Span, sender: Resource | None = None) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    sent = request.resource_spans.add(resource=sender or resource(service_name="a"))
    sent.scope_spans.add(spans=spans)
    return request


def span_rows_request(table: pa.Table) -> ExportTraceServiceRequest:
    """Ids of the rows are any text; senders have 16 and 8 bytes."""
    request = ExportTraceServiceRequest()
    for row in table.to_pylist():
        start_ns = nanoseconds(row["start"])
        sent = span(
            trace_id=_id(row["trace_id"], 16),
            span_id=_id(row["span_id"], 8),
            parent_span_id=_id(row["parent_span_id"], 8) if row["parent_span_id"] else b"",
            name=row["operation"],
            kind=KINDS.get(row["kind"], 0),
            start_time_unix_nano=start_ns,
            end_time_unix_nano=start_ns + row["duration_us"] * 1000,
            status={"code": STATUSES.get(row["status"], 0)},
            attributes=attributes(dict(span_attributes(row))),
        )
        if row["linked_span_id"]:
            linked = bytes.fromhex(row["linked_trace_id"]), bytes.fromhex(row["linked_span_id"])
            sent.links.add(trace_id=linked[0], span_id=linked[1])
        request.resource_spans.add(resource=of_row(row)).scope_spans.add(spans=[sent])
    return request


def log_rows_request(table: pa.Table) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    for row in table.to_pylist():
        records = request.resource_logs.add(resource=of_row(row)).scope_logs.add().log_records
        record = records.add(time_unix_nano=nanoseconds(row["time"]), severity_text=row["severity"])
        record.body.string_value = row["body"]
    return request


def metric_rows_request(table: pa.Table) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    for row in table.to_pylist():
        sender = of_row({**row, "pod": row["component"]})
        metric = request.resource_metrics.add(resource=sender).scope_metrics.add().metrics.add(name=row["metric"])
        metric.unit = row["unit"]
        metric.gauge.data_points.add(time_unix_nano=nanoseconds(row["time"]), as_double=row["value"])
    return request


def requests_of(tables: CaseTables) -> Iterable[Sent]:
    if tables.spans is not None:
        yield Sent(Kind.TRACES, span_rows_request(tables.spans).SerializeToString())
    if tables.logs is not None:
        yield Sent(Kind.LOGS, log_rows_request(tables.logs).SerializeToString())
    if tables.metrics is not None:
        yield Sent(Kind.METRICS, metric_rows_request(tables.metrics).SerializeToString())


async def take(intake: Intake, sent: Sent) -> Receipt:
    with intake.room.hold() as hold:
        hold.grow(len(sent.body))
        return await intake.take(sent, hold)


def take_all(directory: Path, requests: Iterable[Sent]) -> list[Receipt]:
    """Take them in at a quarter past noon, one after the other, and close the store."""

    async def taken() -> list[Receipt]:
        intake = Intake(directory, clock=lambda: at(15))
        try:
            return [await take(intake, sent) for sent in requests]
        finally:
            await intake.close()

    return asyncio.run(taken())


def _id(text: str, length: int) -> bytes:
    return text.encode()[:length].rjust(length, b"\1")
