"""Rows as OTLP's JSON, as query APIs write it: ids in hexadecimal or base64, enumerations by number or by name."""

import base64
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from service.stores.fake_traces import Row, span_attributes
from service.stores.span_rows import KINDS, STATUSES

NUMBERS = {name: number for names in (KINDS, STATUSES) for number, name in names.items()}


def resource_spans(rows: Iterable[Row], *, by_name: bool) -> list[dict[str, Any]]:
    """A sender after the other; ``by_name`` as Tempo has it, with ids in base64, else as Jaeger does."""
    parts = groupby(rows, lambda row: (row["service"], row["pod"], row["node"]))
    return [
        {"resource": {"attributes": attributes(*sender)}, "scopeSpans": [{"scope": {}, "spans": spans}]}
        for sender, sent in parts
        for spans in [[_span(row, by_name=by_name) for row in sent]]
    ]


def attributes(service: str, pod: str, node: str) -> list[dict[str, Any]]:
    """A sender by OpenTelemetry's conventions."""
    told = {"service.name": service, "k8s.pod.name": pod, "k8s.node.name": node}
    return [{"key": key, "value": {"stringValue": text}} for key, text in told.items() if text]


def _span(row: Row, *, by_name: bool) -> dict[str, Any]:
    ids = {"traceId": row["trace_id"], "spanId": row["span_id"], "parentSpanId": row["parent_span_id"]}
    start_ns = row["start_us"] * 1000
    told: dict[str, Any] = {
        **{key: _base64(text) if by_name else text for key, text in ids.items() if text},
        "name": row["operation"],
        "startTimeUnixNano": str(start_ns),
        "endTimeUnixNano": str(start_ns + row["duration_us"] * 1000),
        "status": {},
    }
    if named := span_attributes(row):
        told["attributes"] = [{"key": key, "value": {"stringValue": text}} for key, text in named.items()]
    if row["linked_span_id"]:
        linked = {"traceId": row["linked_trace_id"], "spanId": row["linked_span_id"]}
        told["links"] = [{key: _base64(text) if by_name else text for key, text in linked.items()}]
    if row["kind"] in NUMBERS:
        told["kind"] = f"SPAN_KIND_{row['kind'].upper()}" if by_name else NUMBERS[row["kind"]]
    if row["status"] in NUMBERS:
        told["status"]["code"] = f"STATUS_CODE_{row['status'].upper()}" if by_name else NUMBERS[row["status"]]
    return told


def _base64(text: str) -> str:
    return base64.b64encode(bytes.fromhex(text)).decode()
