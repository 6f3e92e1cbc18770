import gzip
import json
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Gauge, Metric, NumberDataPoint
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from service.stores.embedded.records import Refused
from service.stores.embedded.refusals import MalformedError, OversizeError
from service.stores.embedded.wire import answer_bytes, message, refusal_bytes, unpacked
from service.text import is_printable
from tests.strangers import spoiled

SPECIFIED = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "my.service"}}]},
            "scopeSpans": [
                {
                    "scope": {"name": "my.library", "version": "1.0.0"},
                    "spans": [
                        {
                            "traceId": "5B8EFFF798038103D269B633813FC60C",
                            "spanId": "EEE19B7EC3C1B174",
                            "parentSpanId": "EEE19B7EC3C1B173",
                            "name": "I'm a server span",
                            "startTimeUnixNano": "1544712660000000000",
                            "endTimeUnixNano": 1544712661000000000,
                            "kind": 2,
                            "somethingNewer": {"than": "us"},
                        }
                    ],
                }
            ],
        }
    ]
}
"""After the example of OTLP's specification."""


def of_json(told: Any) -> ExportTraceServiceRequest:
    read, refused = message(ExportTraceServiceRequest, json.dumps(told).encode(), as_json=True)
    assert refused == Refused()
    return read


def test_ids_are_hexadecimal_in_json() -> None:
    span = of_json(SPECIFIED).resource_spans[0].scope_spans[0].spans[0]
    assert span.trace_id.hex() == "5b8efff798038103d269b633813fc60c"
    assert span.parent_span_id.hex() == "eee19b7ec3c1b173"
    assert span.end_time_unix_nano - span.start_time_unix_nano == 10**9


def test_ids_of_log_records_are_too() -> None:
    told = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"traceId": "0a" * 16, "body": {"intValue": "3"}}]}]}]}
    read, _ = message(ExportLogsServiceRequest, json.dumps(told).encode(), as_json=True)
    assert read.resource_logs[0].scope_logs[0].log_records[0].trace_id == b"\n" * 16


def test_an_id_that_is_no_number_is_none() -> None:
    told = {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "zz"}]}]}]}
    assert of_json(told).resource_spans[0].scope_spans[0].spans[0].trace_id == b""


DEEP = b'{"resourceSpans":' + b"[" * 100_000
MALFORMED = [
    b"",
    b"[]",
    b"null",
    b"{",
    b'{"resourceSpans": 7}',
    b"\xff\xfe",
    DEEP,
]


@pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_otlp_in_json_is_told_on_one_line(body: bytes) -> None:
    with pytest.raises(MalformedError) as refused:
        message(ExportTraceServiceRequest, body, as_json=True)
    assert is_printable(str(refused.value))


@pytest.mark.parametrize("body", [b"\xff", b"{}", b"\n\xff\xff\xff\xff\x0f", b'{"resourceSpans": []}'])
def test_what_is_no_protobuf_is_told(body: bytes) -> None:
    with pytest.raises(MalformedError, match="protobuf"):
        message(ExportTraceServiceRequest, body, as_json=False)


@given(st.binary(max_size=200) | spoiled([SPECIFIED]).map(lambda body: json.dumps(body).encode()), st.booleans())
@example(b'{"resourceSpans": "\\u202e\\u009b"}', True)
@example(b'{"\\ud800": []}', True)
def test_any_bytes_are_read_or_refused_in_one_printable_line(body: bytes, as_json: bool) -> None:
    complaint = ""
    try:
        read, refused = message(ExportTraceServiceRequest, body, as_json=as_json)
        assert read.ByteSize() >= 0
        complaint = refused.why
    except MalformedError as error:
        complaint = str(error)
    assert is_printable(complaint)


ODD_IN_JSON = [
    "7",
    "null",
    '"span"',
    '{"traceId": 7}',
    '{"name": "cut \\ud83e"}',
    '{"\\ud83e": 1}',
    '{"attributes": [{"key": "k", "value": {"intValue": 1.5}}]}',
    '{"attributes": [{"key": "k", "value": {"stringValue": "cut \\ud83e"}}]}',
    '{"attributes": [{"\\ud83e": "k"}]}',
    '{"attributes": [{"key": "k", "value": ' + '{"arrayValue": {"values": [' * 60 + "]}}" * 60 + "}]}",
    '{"attributes": 7}',
    '{"links": [7]}',
    '{"events": [{"timeUnixNano": "soon"}]}',
    '{"startTimeUnixNano": 1e400}',
    '{"startTimeUnixNano": -1}',
    '{"startTimeUnixNano": ' + "9" * 5000 + "}",
    '{"name": "\udcf0\udc9f"}',  # bytes that are no UTF-8
]
ODD_IN_PROTOBUF = [
    b"\x2a\x02\xf0\x9f",  # a name (field 5) cut within a character
    b"\x4a\x05\x0a\x03k\xf0\x9f",  # an attribute (field 9) cut within a character of its key
    b"\x2a\x7fshort",
    b"\xff",
]
WHOLE = Span(trace_id=b"t" * 16, span_id=b"s" * 8, name="whole")


def field(number: int, *values: bytes) -> bytes:
    """Fields of protobuf's wire format that hold messages of less than 16 KB."""
    return b"".join(bytes([number << 3 | 2, len(v) & 0x7F | 0x80, len(v) >> 7]) + v for v in values)


@pytest.mark.parametrize("odd", ODD_IN_JSON)
def test_an_odd_record_in_json_costs_itself(odd: str) -> None:
    whole = json.dumps({"traceId": (b"t" * 16).hex(), "spanId": (b"s" * 8).hex(), "name": "whole"})
    body = f'{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{whole}, {odd}, {whole}]}}]}}]}}'
    read, refused = message(ExportTraceServiceRequest, body.encode(errors="surrogateescape"), as_json=True)
    assert list(read.resource_spans[0].scope_spans[0].spans) == [WHOLE, WHOLE]
    assert refused.count == 1
    assert refused.why.startswith("a Span cannot be read: ")
    assert is_printable(refused.why)


@pytest.mark.parametrize("odd", ODD_IN_PROTOBUF)
def test_an_odd_record_in_protobuf_costs_itself(odd: bytes) -> None:
    whole = WHOLE.SerializeToString()
    body = field(1, field(2, field(2, whole, odd, whole)), field(2, field(2, whole)))
    read, refused = message(ExportTraceServiceRequest, body, as_json=False)
    spans = [span for sent in read.resource_spans for scope in sent.scope_spans for span in scope.spans]
    assert spans == [WHOLE] * 3
    assert refused.count == 1
    assert refused.why.startswith("a Span cannot be read: ")


def test_an_odd_sender_costs_its_records() -> None:
    odd = '{"resource": 7, "scopeSpans": [{"spans": [{}, {}]}]}'
    body = f'{{"resourceSpans": [{json.dumps(SPECIFIED["resourceSpans"][0])}, {odd}]}}'
    read, refused = message(ExportTraceServiceRequest, body.encode(), as_json=True)
    assert len(read.resource_spans) == 1
    assert refused.count == 2
    assert refused.why.startswith("a ResourceSpans cannot be read: ")


@pytest.mark.parametrize("kind", ["gauge", "sum", "histogram", "exponentialHistogram", "summary"])
def test_an_odd_point_costs_itself_and_an_odd_metric_its_points(kind: str) -> None:
    points = [{"timeUnixNano": "5"}, {"timeUnixNano": "soon"}, {"timeUnixNano": 7}]
    metrics = [{"name": "m", "unit": "s", kind: {"dataPoints": points}}, {"name": 7, kind: {"dataPoints": points}}]
    told = {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}
    read, refused = message(ExportMetricsServiceRequest, json.dumps(told).encode(), as_json=True)
    (metric,) = read.resource_metrics[0].scope_metrics[0].metrics
    assert (metric.name, metric.unit) == ("m", "s")
    assert refused.count == 1 + 3
    as_sent = read.SerializeToString()
    spoiled_name = as_sent.replace(b"\x0a\x01m", b"\x0a\x01\xf0")
    assert message(ExportMetricsServiceRequest, as_sent, as_json=False) == (read, Refused())
    read, refused = message(ExportMetricsServiceRequest, spoiled_name, as_json=False)
    assert not read.resource_metrics[0].scope_metrics[0].metrics
    assert refused.count == 2


def test_an_odd_point_in_protobuf_costs_itself() -> None:
    gauge = field(1, NumberDataPoint(as_int=1).SerializeToString(), b"\x3a\x03\x0a\x01\xf0")
    metric = Metric(name="m", unit="s").SerializeToString() + field(5, gauge)
    body = field(1, field(2, field(2, metric)))
    read, refused = message(ExportMetricsServiceRequest, body, as_json=False)
    (metric,) = read.resource_metrics[0].scope_metrics[0].metrics
    assert metric == Metric(name="m", unit="s", gauge=Gauge(data_points=[NumberDataPoint(as_int=1)]))
    assert refused.count == 1


def test_what_was_packed_is_unpacked() -> None:
    assert unpacked(gzip.compress(b"spans" * 100), 500) == b"spans" * 100


PACKED = gzip.compress(b"x", mtime=0)


@pytest.mark.parametrize("body", [b"", b"no gzip", PACKED[:-3], PACKED * 2, zlib.compress(b"x")])
def test_what_is_not_one_gzip_stream_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedError):
        unpacked(body, 1000)


def test_a_bomb_is_refused_without_being_unpacked() -> None:
    bomb = gzip.compress(bytes(300_000_000), 1)
    tracemalloc.start()
    try:
        with pytest.raises(OversizeError):
            unpacked(bomb, 1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_answers_and_refusals_are_in_the_encoding_of_the_request() -> None:
    assert answer_bytes(ExportTraceServiceResponse(), as_json=False) == b""
    assert json.loads(answer_bytes(ExportTraceServiceResponse(), as_json=True)) == {}
    assert json.loads(refusal_bytes("why", as_json=True)) == {"message": "why"}
    assert refusal_bytes("why", as_json=False) == b"\x12\x03why"  # google.rpc.Status: field 2, three bytes
