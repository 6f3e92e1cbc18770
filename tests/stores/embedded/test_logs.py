from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from service.stores.embedded.decoded import Decoded
from service.stores.embedded.logs import BODY_LENGTH, decode_logs
from tests.stores.embedded.sending import NOON_NS, TIMES, any_value, attributes, resource
from tests.telemetry_rows import NOON, at


def record(**told: Any) -> LogRecord:
    usual: dict[str, Any] = {"time_unix_nano": NOON_NS, "body": any_value("hello")}
    return LogRecord(**(usual | told))


def decoded(*records: LogRecord, **sender: object) -> Decoded:
    request = ExportLogsServiceRequest()
    sent = request.resource_logs.add(resource=resource(**(sender or {"service_name": "a"})))
    sent.scope_logs.add(log_records=records)
    return decode_logs(request, TIMES)


def only_row(*records: LogRecord, **sender: object) -> dict[str, Any]:
    (row,) = decoded(*records, **sender).table.to_pylist()
    return row


def test_a_record_becomes_a_row() -> None:
    sent = record(severity_number=17, severity_text="Error", trace_id=b"\xab" * 16, span_id=b"\x01" * 8)
    assert only_row(sent, service_name="cart", k8s_pod_name="cart-1", k8s_node_name="n1") == {
        "time": NOON,
        "service": "cart",
        "pod": "cart-1",
        "node": "n1",
        "severity": "ERROR",
        "body": "hello",
        "trace_id": "ab" * 16,
        "span_id": "01" * 8,
    }


SEVERITIES = [
    (1, "", "TRACE"),
    (9, "", "INFO"),
    (12, "x", "INFO"),
    (13, "", "WARN"),
    (24, "", "FATAL"),
    (0, "warning", "WARNING"),
    (0, "", ""),
    (99, "", ""),
]


@pytest.mark.parametrize(("number", "text", "severity"), SEVERITIES)
def test_the_number_of_a_severity_goes_before_its_text(number: int, text: str, severity: str) -> None:
    assert only_row(record(severity_number=number, severity_text=text))["severity"] == severity


def test_a_record_without_a_time_is_of_when_it_was_observed_else_of_now() -> None:
    observed = record(time_unix_nano=0, observed_time_unix_nano=NOON_NS)
    assert only_row(observed)["time"] == NOON
    assert only_row(record(time_unix_nano=0))["time"] == at(15)


def test_a_record_of_another_age_is_rejected() -> None:
    found = decoded(record(), record(time_unix_nano=1))
    assert (found.table.num_rows, found.rejected) == (1, 1)
    assert "older" in found.why


@pytest.mark.parametrize("key", ["message", "msg", "log"])
def test_of_a_line_that_was_parsed_the_message_is_the_body(key: str) -> None:
    body = AnyValue(kvlist_value=KeyValueList(values=attributes({"level": "info", key: "user logged in"})))
    assert only_row(record(body=body))["body"] == "user logged in"


def test_a_map_without_a_message_is_told_as_json() -> None:
    body = AnyValue(kvlist_value=KeyValueList(values=attributes({"rows": 3})))
    assert only_row(record(body=body))["body"] == '{"rows":3}'


def test_an_exception_stands_beside_a_line_that_does_not_tell_of_it() -> None:
    raised = attributes({"exception.type": "TimeoutError", "exception.message": "after 2 s"})
    assert only_row(record(attributes=raised))["body"] == "hello TimeoutError: after 2 s"
    told = record(attributes=raised, body=any_value("TimeoutError: after 2 s"))
    assert only_row(told)["body"] == "TimeoutError: after 2 s"


def test_a_line_without_end_is_cut() -> None:
    assert len(only_row(record(body=any_value("x" * 100_000)))["body"]) == BODY_LENGTH


def test_ids_that_are_none_are_no_text() -> None:
    row = only_row(record(trace_id=bytes(16), span_id=b"odd"))
    assert (row["trace_id"], row["span_id"]) == ("", "")


def test_records_of_hypocenter_itself_are_not_kept() -> None:
    assert decoded(record(), service_name="hypocenter").table.num_rows == 0
