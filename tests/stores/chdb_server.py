"""ClickHouse in this process (chdb) behind a transport of httpx, with the tables of the OpenTelemetry exporter."""

import functools
import importlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import httpx
import pyarrow as pa

from service.stores.clickhouse_fake import FakeClickHouse

_RESOURCE = "Map(LowCardinality(String), String)"
_AS_JSON = ("ResourceAttributes", "SpanAttributes", "Links.TraceId", "Links.SpanId")
LOG_COLUMNS = {
    "Timestamp": "DateTime64(9)",
    "TimestampTime": "DateTime DEFAULT toDateTime(Timestamp)",
    "TraceId": "String",
    "SpanId": "String",
    "SeverityText": "LowCardinality(String)",
    "SeverityNumber": "UInt8",
    "ServiceName": "LowCardinality(String)",
    "Body": "String",
    "ResourceAttributes": _RESOURCE,
}
SPAN_COLUMNS = {
    "Timestamp": "DateTime64(9)",
    "TraceId": "String",
    "SpanId": "String",
    "ParentSpanId": "String",
    "SpanName": "LowCardinality(String)",
    "SpanKind": "LowCardinality(String)",
    "ServiceName": "LowCardinality(String)",
    "ResourceAttributes": _RESOURCE,
    "Duration": "UInt64",
    "StatusCode": "LowCardinality(String)",
    "SpanAttributes": _RESOURCE,
    "Links.TraceId": "Array(String)",
    "Links.SpanId": "Array(String)",
}


def chdb_transport(logs: pa.Table | None, spans: pa.Table | None) -> httpx.MockTransport:
    """A server of these rows, and of no others that were there before."""
    session, told = _session(), FakeClickHouse(logs, spans)
    _fill(session, "otel_logs", LOG_COLUMNS, "(ServiceName, TimestampTime, Timestamp)", told.log_rows())
    _fill(session, "otel_traces", SPAN_COLUMNS, "(ServiceName, SpanName, toDateTime(Timestamp))", told.span_rows())

    def answer(request: httpx.Request) -> httpx.Response:
        try:
            found: Any = session.query(request.content.decode())
        except RuntimeError as error:
            return httpx.Response(400, text=str(error))
        return httpx.Response(200, content=found.bytes())

    return httpx.MockTransport(answer)


@functools.cache
def _session() -> Any:
    """One for the process: there can be no second."""
    return importlib.import_module("chdb.session").Session()


def _fill(session: Any, table: str, columns: Mapping[str, str], order: str, rows: Iterable[dict[str, Any]]) -> None:
    told = ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
    session.query(f"DROP TABLE IF EXISTS {table}")
    session.query(f"CREATE TABLE {table} ({told}) ENGINE = MergeTree ORDER BY {order}")
    written = [json.dumps(_written(row)) for row in rows]
    if written:
        session.query(f"INSERT INTO {table} FORMAT JSONEachRow\n" + "\n".join(written))


def _written(row: Mapping[str, Any]) -> dict[str, Any]:
    seconds, nanoseconds = divmod(row["Timestamp"], 1_000_000_000)
    return {
        **row,
        "Timestamp": f"{seconds}.{nanoseconds:09d}",
        **{name: json.loads(row[name]) for name in _AS_JSON if name in row},
    }
