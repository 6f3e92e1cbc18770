from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from service.ports import SPANS
from service.stores.embedded.decoded import Decoded
from service.stores.embedded.spans import decode_spans
from tests.stores.embedded.sending import NOON_NS, TIMES, resource, span, trace_request
from tests.telemetry_rows import NOON

HOUR_NS = 3600 * 10**9


def decoded(*spans: Span, **sender: object) -> Decoded:
    return decode_spans(trace_request(*spans, sender=resource(**(sender or {"service_name": "a"}))), TIMES)


def only_row(*spans: Span, **sender: object) -> dict[str, Any]:
    (row,) = decoded(*spans, **sender).table.to_pylist()
    return row


def test_a_span_becomes_a_row() -> None:
    sent = span(
        trace_id=bytes(range(16)),
        span_id=b"\xff" * 8,
        parent_span_id=b"\x01" * 8,
        kind=2,
        end_time_unix_nano=NOON_NS + 2_500_999,
        status={"code": 2},
    )
    row = only_row(sent, service_name="cart", k8s_pod_name="cart-1", k8s_node_name="n1")
    assert row == {
        "trace_id": "000102030405060708090a0b0c0d0e0f",
        "span_id": "ffffffffffffffff",
        "parent_span_id": "0101010101010101",
        "service": "cart",
        "pod": "cart-1",
        "node": "n1",
        "operation": "get",
        "kind": "server",
        "start": NOON,
        "duration_us": 2500,
        "status": "error",
        "peer": "",
        "peer_role": "",
        "linked_trace_id": "",
        "linked_span_id": "",
    }


@pytest.mark.parametrize(
    ("number", "kind"), [(0, ""), (1, "internal"), (3, "client"), (4, "producer"), (5, "consumer"), (17, "")]
)
def test_kinds_are_told_by_name(number: int, kind: str) -> None:
    assert only_row(span(kind=number))["kind"] == kind


@pytest.mark.parametrize(("number", "status"), [(0, "unset"), (1, "ok"), (2, "error"), (9, "unset")])
def test_statuses_are_told_by_name(number: int, status: str) -> None:
    assert only_row(span(status={"code": number}))["status"] == status


@pytest.mark.parametrize("parent", [b"", bytes(8), b"short"])
def test_a_parent_that_is_none_is_no_text(parent: bytes) -> None:
    assert only_row(span(parent_span_id=parent))["parent_span_id"] == ""


def test_a_span_that_ends_before_it_starts_lasted_no_time() -> None:
    assert only_row(span(end_time_unix_nano=NOON_NS - 5000))["duration_us"] == 0


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"trace_id": b""}, "trace id"),
        ({"trace_id": bytes(16)}, "trace id"),
        ({"span_id": b"too long an id"}, "span id"),
        ({"span_id": bytes(8)}, "span id"),
        ({"start_time_unix_nano": 0}, "start"),
        ({"start_time_unix_nano": NOON_NS - 3 * HOUR_NS}, "older"),
        ({"start_time_unix_nano": NOON_NS + 3 * HOUR_NS}, "future"),
        ({"start_time_unix_nano": 2**64 - 1}, "future"),
    ],
)
def test_a_span_that_cannot_be_meant_is_rejected_and_the_others_kept(wrong: dict[str, Any], why: str) -> None:
    found = decoded(span(), span(**wrong), span())
    assert (found.table.num_rows, found.rejected) == (2, 1)
    assert why in found.why


def test_an_empty_request_has_no_rows() -> None:
    found = decode_spans(ExportTraceServiceRequest(), TIMES)
    assert (found.table.num_rows, found.rejected) == (0, 0)
    assert found.table.schema.equals(SPANS)


def test_spans_of_hypocenter_itself_are_not_kept() -> None:
    found = decoded(span(), service_name="hypocenter")
    assert (found.table.num_rows, found.rejected) == (0, 0)


def test_each_span_keeps_the_origin_that_it_came_with() -> None:
    request = trace_request(span(), span(), sender=resource(service_name="a"))
    request.MergeFrom(trace_request(span(), sender=resource(service_name="b")))
    assert decode_spans(request, TIMES).table.column("service").to_pylist() == ["a", "a", "b"]


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=10), st.integers(0, 2**64 - 1)), max_size=20))
def test_whatever_comes_every_span_is_a_row_or_rejected(told: list[tuple[bytes, bytes, int]]) -> None:
    spans = [span(trace_id=trace, span_id=own, start_time_unix_nano=start) for trace, own, start in told]
    found = decoded(*spans)
    assert found.table.num_rows + found.rejected == len(spans)
    assert bool(found.why) == bool(found.rejected)
