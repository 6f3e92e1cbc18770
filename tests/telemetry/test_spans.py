import asyncio

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from service.errors import BackendError
from service.telemetry import calling, continued, span, traceparent, tracer
from tests.telemetry.traces import named, tree

pytestmark = pytest.mark.anyio

PARENT = f"00-{'0a' * 16}-{'0b' * 8}-01"


def sampled(parent: str) -> bool:
    return bool(int(parent.rpartition("-")[2], 16) & 1)


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def test_what_is_done_within_a_trace_tells_of_its_steps(exporter: InMemorySpanExporter) -> None:
    with continued(tracer(exporter), PARENT), span("whole"), span("part"):
        inner = traceparent()
    spans = exporter.get_finished_spans()
    assert tree(spans, int("0b" * 8, 16)) == ["whole", "  part"]
    assert {span.context.trace_id for span in spans if span.context} == {int("0a" * 16, 16)}
    assert inner.startswith(f"00-{'0a' * 16}-")
    assert inner != PARENT


def test_outside_of_a_trace_a_step_is_nothing(exporter: InMemorySpanExporter) -> None:
    with continued(tracer(exporter), PARENT):
        pass
    with span("alone"), calling("Loki", "GET", "http://loki/x") as call:
        assert call.headers == {}
        assert traceparent() == ""
    assert exporter.get_finished_spans() == ()


@pytest.mark.parametrize("nonsense", ["", "x", "00-zz-1-01", f"00-{'0' * 32}-{'0b' * 8}-01", "\x00\r\n"])
def test_a_parent_that_is_none_begins_a_trace_of_its_own(exporter: InMemorySpanExporter, nonsense: str) -> None:
    with continued(tracer(exporter), nonsense), span("whole"):
        pass
    assert named(exporter, "whole").parent is None


def test_without_an_exporter_there_are_ids_and_nobody_is_told_to_keep_them() -> None:
    with continued(tracer(), ""), span("whole"), calling("Loki", "GET", "http://loki:3100/x") as call:
        assert not sampled(call.headers["traceparent"])
    with continued(tracer(), PARENT), span("whole"):
        assert traceparent().startswith(PARENT[:36])
        assert sampled(traceparent())


def test_a_call_is_told_without_its_query_and_without_credentials(exporter: InMemorySpanExporter) -> None:
    with (
        continued(tracer(exporter), ""),
        calling("Loki", "GET", "http://me:planted@loki:3100/loki/api?query=planted") as call,
    ):
        call.answered(503)
    told = named(exporter, "GET")
    assert "planted" not in told.to_json()
    assert told.attributes is not None
    assert dict(told.attributes) == {
        "http.request.method": "GET",
        "service.peer.name": "Loki",
        "server.address": "loki",
        "server.port": 3100,
        "url.scheme": "http",
        "url.path": "/loki/api",
        "http.response.status_code": 503,
        "error.type": "503",
    }


def test_an_address_that_is_none_breaks_nothing(exporter: InMemorySpanExporter) -> None:
    with continued(tracer(exporter), ""), calling("Loki", "GET", "http://[:99999999") as call:
        assert call.headers
    assert "server.address" not in (named(exporter, "GET").attributes or {})


def test_an_error_of_ours_is_told_by_its_line_and_a_strangers_only_by_its_type(exporter: InMemorySpanExporter) -> None:
    told = tracer(exporter)
    with pytest.raises(BackendError), continued(told, ""), span("ours"):
        raise BackendError("Loki did not answer within 8 s")
    with pytest.raises(ValueError, match="planted"), continued(told, ""), span("theirs"):
        raise ValueError("planted: a piece of a prompt")
    ours, theirs = named(exporter, "ours"), named(exporter, "theirs")
    assert (ours.status.status_code, ours.status.description) == (StatusCode.ERROR, "Loki did not answer within 8 s")
    assert (theirs.attributes or {})["error.type"] == "ValueError"
    assert "planted" not in theirs.to_json()


async def test_what_is_cancelled_has_not_failed(exporter: InMemorySpanExporter) -> None:
    async def wait() -> None:
        with continued(tracer(exporter), ""), span("wait"):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wait(), 0.01)
    told = named(exporter, "wait")
    assert told.status.status_code is StatusCode.UNSET
    assert (told.attributes or {})["error.type"] == "CancelledError"
