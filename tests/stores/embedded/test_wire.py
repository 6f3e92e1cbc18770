import gzip
import json
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

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
    return message(ExportTraceServiceRequest, json.dumps(told).encode(), as_json=True)


def test_ids_are_hexadecimal_in_json() -> None:
    span = of_json(SPECIFIED).resource_spans[0].scope_spans[0].spans[0]
    assert span.trace_id.hex() == "5b8efff798038103d269b633813fc60c"
    assert span.parent_span_id.hex() == "eee19b7ec3c1b173"
    assert span.end_time_unix_nano - span.start_time_unix_nano == 10**9


def test_ids_of_log_records_are_too() -> None:
    told = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"traceId": "0a" * 16, "body": {"intValue": "3"}}]}]}]}
    read = message(ExportLogsServiceRequest, json.dumps(told).encode(), as_json=True)
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
    b'{"resourceSpans": [7]}',
    b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": 7}]}]}]}',
    b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "\\ud800"}]}]}]}',
    b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": 1e400}]}]}]}',
    b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": ' + b"9" * 5000 + b"}]}]}]}",
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
        assert message(ExportTraceServiceRequest, body, as_json=as_json).ByteSize() >= 0
    except MalformedError as error:
        complaint = str(error)
    assert is_printable(complaint)


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
