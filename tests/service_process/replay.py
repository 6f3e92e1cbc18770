"""A recorded incident told again, as if it were happening now, by OpenTelemetry's own exporters."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import pyarrow as pa
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.metrics.export import (
    Gauge,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from service.stores.case_tables import CaseTables
from tests.waiting import LIMIT_S

A_REQUEST = 512
SCOPE = InstrumentationScope("replay")
STATUSES = {"ok": StatusCode.OK, "error": StatusCode.ERROR, "unset": StatusCode.UNSET}

Row = dict[str, Any]


def replay(tables: CaseTables, url: str, shift: timedelta) -> None:
    """Send all spans, log records and samples, each so much later than it was."""
    assert tables.spans is not None
    assert tables.logs is not None
    assert tables.metrics is not None
    spans = OTLPSpanExporter(f"{url}/v1/traces", compression=Compression.Gzip, timeout=LIMIT_S)
    for batch in _batches([_span(row, shift) for row in tables.spans.to_pylist()]):
        assert spans.export(batch) is SpanExportResult.SUCCESS
    records = OTLPLogExporter(f"{url}/v1/logs", timeout=LIMIT_S)
    for batch in _batches([_record(row, shift) for row in tables.logs.to_pylist()]):
        assert records.export(batch) is LogRecordExportResult.SUCCESS
    samples: Any = OTLPMetricExporter(f"{url}/v1/metrics", timeout=LIMIT_S)
    assert samples.export(MetricsData(list(_metrics(tables.metrics, shift)))) is MetricExportResult.SUCCESS
    spans.shutdown()
    records.shutdown()
    samples.shutdown()


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), A_REQUEST):
        yield items[start : start + A_REQUEST]


def _span(row: Row, shift: timedelta) -> ReadableSpan:
    start_ns = _nanoseconds(row["start"] + shift)
    return ReadableSpan(
        name=row["operation"],
        context=_context(row["trace_id"], row["span_id"]),
        parent=_context(row["trace_id"], row["parent_span_id"]) if row["parent_span_id"] else None,
        resource=_resource(row),
        kind=SpanKind[row["kind"].upper()] if row["kind"] else SpanKind.INTERNAL,
        status=Status(STATUSES[row["status"]]),
        start_time=start_ns,
        end_time=start_ns + row["duration_us"] * 1000,
        instrumentation_scope=SCOPE,
    )


def _record(row: Row, shift: timedelta) -> ReadableLogRecord:
    told = LogRecord(
        timestamp=_nanoseconds(row["time"] + shift),
        context=set_span_in_context(NonRecordingSpan(_context(row["trace_id"] or "0", row["span_id"] or "0"))),
        severity_text=row["severity"],
        body=row["body"],
    )
    return ReadableLogRecord(told, _resource(row), SCOPE)


def _metrics(table: pa.Table, shift: timedelta) -> Iterator[ResourceMetrics]:
    def series(row: Row) -> tuple[str, ...]:
        return row["kind"], row["component"], row["service"], row["metric"], row["unit"]

    for (kind, component, service, name, unit), rows in groupby(sorted(table.to_pylist(), key=series), key=series):
        pod = {"service": service, "pod": component, "node": ""}
        resource = _resource(pod) if kind == "pod" else Resource({"host.name": component})
        points = [
            NumberDataPoint(attributes={}, start_time_unix_nano=0, time_unix_nano=time_ns, value=value)
            for time_ns, value in ((_nanoseconds(row["time"] + shift), row["value"]) for row in rows)
        ]
        metric = Metric(name=name, description=None, unit=unit, data=Gauge(points))
        yield ResourceMetrics(resource, [ScopeMetrics(SCOPE, [metric], "")], "")


def _resource(row: Row) -> Resource:
    told = {"service.name": row["service"], "k8s.pod.name": row["pod"], "k8s.node.name": row["node"]}
    return Resource({key: value for key, value in told.items() if value})


def _context(trace_id: str, span_id: str) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=TraceFlags(1))


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000
