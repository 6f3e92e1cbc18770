import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.stores.otlp_json import Traces, rows_of
from service.stores.span_rows import SpanRow, distinct, identifier, span_table
from service.stores.tempo_wire import TraceAnswer
from tests.stores.recorded_bodies import recorded_body

TRACE, SPAN, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7"


def rows(span: dict[str, Any], *attributes: dict[str, Any]) -> list[SpanRow]:
    sent = {
        "resource": {"attributes": attributes},
        "scopeSpans": [{"spans": [{"traceId": TRACE, "spanId": SPAN, **span}]}],
    }
    return list(rows_of(Traces.model_validate({"resourceSpans": [sent]}).resource_spans))


def told(key: str, **value: object) -> dict[str, Any]:
    return {"key": key, "value": value}


def test_nanoseconds_come_as_text_or_as_numbers() -> None:
    as_text = rows({"startTimeUnixNano": "1795334521114680657", "endTimeUnixNano": "1795334521164680657"})[0]
    as_numbers = rows({"startTimeUnixNano": 1795334521114680657, "endTimeUnixNano": 1795334521164680657})[0]
    assert as_text == as_numbers
    assert (as_text.start_us, as_text.duration_us) == (1795334521114680, 50_000)


@pytest.mark.parametrize("kind", [2, "SPAN_KIND_SERVER", "server"])
@pytest.mark.parametrize("code", [2, "STATUS_CODE_ERROR", "error"])
def test_enumerations_come_by_number_or_by_name(kind: object, code: object) -> None:
    row = rows({"kind": kind, "status": {"code": code}})[0]
    assert (row.kind, row.status) == ("server", "error")


@pytest.mark.parametrize("span", [{}, {"status": {}}, {"status": None}, {"kind": 99, "status": {"code": "?"}}])
def test_what_is_not_told_is_unknown(span: dict[str, Any]) -> None:
    row = rows(span)[0]
    assert (row.kind, row.status, row.parent_span_id, row.service) == ("", "unset", "", "unknown_service")


def test_resource_attributes_tell_who_sent_it() -> None:
    sender = [told("service.name", stringValue="cart"), told("service.instance.id", intValue="7"), {"key": "odd"}]
    row = rows({}, *sender, told("host.name", stringValue="n1"))[0]
    assert (row.service, row.pod, row.node) == ("cart", "7", "n1")


@given(st.binary(min_size=16, max_size=16).filter(any))
def test_an_id_is_the_same_in_base64_in_hexadecimal_and_without_leading_zeros(raw: bytes) -> None:
    forms = {base64.b64encode(raw).decode(), raw.hex(), raw.hex().upper(), raw.hex().lstrip("0")}
    assert {identifier(form, 32) for form in forms} == {raw.hex()}


@pytest.mark.parametrize("told", ["", "0000", "xyz", "=", "AAAAAAAAAAA=", "f" * 17])
def test_what_is_no_id_is_none(told: str) -> None:
    assert identifier(told, 16) == ""


def row(**changed: Any) -> SpanRow:
    usual = SpanRow(TRACE, SPAN, PARENT, "cart", "", "", "get", "server", 1795334521114680, 5, "ok")
    return usual._replace(**changed)


@pytest.mark.parametrize("changed", [{"trace_id": ""}, {"span_id": ""}, {"start_us": -1}, {"start_us": 2**63}])
def test_a_span_without_ids_or_of_an_impossible_time_is_left_out(changed: dict[str, Any]) -> None:
    assert span_table([row(), row(**changed)]).num_rows == 1


def test_hypocenters_own_spans_are_left_out() -> None:
    assert span_table([row(service="hypocenter")]).num_rows == 0


def test_a_span_that_ends_before_it_starts_lasted_no_time() -> None:
    assert span_table([row(duration_us=-5)]).column("duration_us").to_pylist() == [0]


def test_names_become_printable() -> None:
    assert span_table([row(operation="get\n\x1b[31m")]).column("operation").to_pylist() == ["get\ufffd\ufffd[31m"]


def test_a_span_that_was_found_twice_is_there_once_and_in_its_time() -> None:
    late, early = row(), row(span_id=PARENT, start_us=1)
    table = distinct([span_table([late]), span_table([late, early])])
    assert table.column("span_id").to_pylist() == [PARENT, SPAN]


@pytest.mark.parametrize("name", ["tempo_trace_v1.json", "tempo_trace_v2.json"])
def test_a_trace_as_tempo_really_answers(name: str) -> None:
    table = span_table(rows_of(TraceAnswer.model_validate_json(recorded_body(name)).sent))
    names = ["shop/frontend", "shop/cart", "shop/checkout", "shop/pay", "shop/email"]
    assert table.column("service").to_pylist() == names
    assert table.column("parent_span_id").to_pylist() == ["", *table.column("span_id").to_pylist()[:-1]]
    assert table.column("status").to_pylist() == ["unset", "unset", "unset", "error", "unset"]
