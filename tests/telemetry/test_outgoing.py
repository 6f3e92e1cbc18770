"""Whoever is asked may go on with the trace."""

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from service.llm.fake_server import FakeServer
from service.llm.openai import OpenAIModel
from service.llm.server import Endpoint
from service.ports import ChatReply, ChatRequest, Message
from service.stores.backend import Backend
from service.telemetry import continued, span, tracer
from tests.patience import patient
from tests.telemetry.traces import named

TRACE = "0a" * 16
PARENT = f"00-{TRACE}-{'0b' * 8}-01"

pytestmark = pytest.mark.anyio


class Listening(httpx.AsyncBaseTransport):
    """Notes the trace that each request goes on with."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.traceparents: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.traceparents.append(request.headers.get("traceparent", ""))
        return await self._inner.handle_async_request(request)


async def test_a_telemetry_server_is_told_the_trace_each_time_that_it_is_asked() -> None:
    answers = iter([httpx.Response(503), httpx.Response(200, content=b"{}")])
    transport, exporter = Listening(httpx.MockTransport(lambda _request: next(answers))), InMemorySpanExporter()
    backend = Backend("Loki", patient("http://loki:3100", pause_s=0), transport)
    with continued(tracer(exporter), PARENT), span("fetch logs"):
        await backend.ask("GET", "/loki/api/v1/labels")
    await backend.aclose()
    calls = [told for told in exporter.get_finished_spans() if told.name == "GET"]
    sent = [f"00-{TRACE}-{call.context.span_id:016x}-01" for call in calls if call.context]
    assert transport.traceparents == sent
    assert [(call.attributes or {})["http.response.status_code"] for call in calls] == [503, 200]
    assert [(call.attributes or {}).get("error.type") for call in calls] == ["503", None]


async def test_the_models_server_is_told_the_trace() -> None:
    fake = FakeServer(replies=[ChatReply("search_logs", '{"component": "c0"}')])
    transport, exporter = Listening(httpx.ASGITransport(fake.app())), InMemorySpanExporter()
    model = OpenAIModel(Endpoint("http://model:8000/v1", "tiny"), transport)
    request = ChatRequest((Message("user", "what is wrong?"),), (), ())
    with continued(tracer(exporter), PARENT), span("chat tiny"):
        await model.reply([request], 30)
    assert transport.traceparents
    assert {sent[:35] for sent in transport.traceparents} == {PARENT[:35]}
    asked = [told for told in exporter.get_finished_spans() if told.name == "POST"]
    assert asked
    assert all((told.attributes or {})["server.address"] == "model" for told in asked)
    assert named(exporter, "chat tiny").context is not None


async def test_outside_of_a_trace_nobody_is_told_anything() -> None:
    transport = Listening(httpx.MockTransport(lambda _request: httpx.Response(200, content=b"{}")))
    backend = Backend("Loki", patient("http://loki:3100"), transport)
    await backend.ask("GET", "/loki/api/v1/labels")
    await backend.aclose()
    assert transport.traceparents == [""]
