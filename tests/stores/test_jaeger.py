import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx
import pyarrow as pa
import pytest

from service.domain.window import Window
from service.errors import BackendError
from service.stores.backend import Backend
from service.stores.jaeger import Jaeger
from service.stores.jaeger_fake import FakeJaeger
from service.stores.jaeger_wire import JaegerSpan, JaegerTrace, TracesAnswer, rows_of_jaeger
from service.stores.partial import notes_of
from service.stores.span_rows import SpanRow, span_table
from service.telemetry import NAME
from tests.contracts.trace_servers import Listening
from tests.patience import PATIENT_PLAN, patient
from tests.stores.recorded_bodies import recorded_body
from tests.telemetry_rows import WINDOW, at, spans

Answers = Mapping[str, object]


class Server:
    """Answers each path with the same JSON; keeps what it was asked. A path that it does not know is 404."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.asked: list[httpx.URL] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url)
        if request.url.path not in self.answers:
            return httpx.Response(404, text="404 page not found")
        return httpx.Response(200, json=self.answers[request.url.path])

    def of(self, path: str) -> list[dict[str, str]]:
        """The parameters of all questions to a path."""
        return [dict(url.params) for url in self.asked if url.path == path]


def over(answer: Server | FakeJaeger) -> Jaeger:
    transport = httpx.MockTransport(answer) if isinstance(answer, Server) else httpx.ASGITransport(answer.app())
    return Jaeger(Backend("Jaeger", patient("http://jaeger:16686"), transport), PATIENT_PLAN)


def ask(store: Jaeger, *alerting: str, window: Window = WINDOW) -> pa.Table:
    return asyncio.run(store.spans(window, alerting))


def one(**told: Any) -> SpanRow:
    usual = {"traceID": "1", "spanID": "2", "startTime": 1795334521114680, "duration": 5, "processID": "p1"}
    trace = {"spans": [{**usual, **told}], "processes": {"p1": {"serviceName": "cart", "tags": told.pop("of", None)}}}
    return next(rows_of_jaeger([JaegerTrace.model_validate(trace)]))


def tag(key: str, value: object) -> dict[str, object]:
    return {"key": key, "type": "string", "value": value}


@pytest.mark.parametrize(
    ("tags", "status"),
    [
        ([], "unset"),
        ([tag("error", True)], "error"),
        ([tag("error", "true")], "error"),
        ([tag("error", "unset")], "unset"),
        ([tag("error", "false")], "ok"),
        ([tag("error", False)], "ok"),
        ([tag("otel.status_code", "ERROR")], "error"),
        ([tag("otel.status_code", "OK")], "ok"),
        (None, "unset"),
    ],
)
def test_tags_tell_whether_it_went_well(tags: object, status: str) -> None:
    assert one(tags=tags).status == status


def test_times_are_microseconds() -> None:
    row = one(tags=[tag("span.kind", "client")])
    assert (row.start_us, row.duration_us, row.kind) == (1795334521114680, 5, "client")


@pytest.mark.parametrize(
    ("references", "parent"),
    [
        ([], ""),
        (None, ""),
        ([{"refType": "CHILD_OF", "traceID": "1", "spanID": "a"}], "a"),
        ([{"refType": "FOLLOWS_FROM", "traceID": "1", "spanID": "b"}], "b"),
        (
            [
                {"refType": "FOLLOWS_FROM", "traceID": "1", "spanID": "b"},
                {"refType": "CHILD_OF", "traceID": "1", "spanID": "a"},
            ],
            "a",
        ),
        ([{"refType": "CHILD_OF", "traceID": "9", "spanID": "c"}], ""),
    ],
)
def test_a_parent_is_of_the_same_trace(references: object, parent: str) -> None:
    assert one(references=references).parent_span_id.lstrip("0") == parent


@pytest.mark.parametrize(
    ("tags", "pod", "node"),
    [
        ([tag("k8s.pod.name", "cart-0"), tag("k8s.node.name", "n1")], "cart-0", "n1"),
        ([tag("hostname", "cart-0")], "cart-0", ""),
        ([tag("host.name", "n1")], "", "n1"),
    ],
)
def test_tags_of_the_process_tell_where_it_ran(tags: object, pod: str, node: str) -> None:
    row = one(of=tags)
    assert (row.service, row.pod, row.node) == ("cart", pod, node)


def test_a_span_without_its_process_is_of_an_unknown_service() -> None:
    span = JaegerSpan.model_validate({"traceID": "1", "spanID": "2", "startTime": 3, "processID": "p9"})
    assert next(rows_of_jaeger([JaegerTrace(spans=(span,))])).service == "unknown_service"


def test_traces_as_a_real_server_answers() -> None:
    traces = TracesAnswer.model_validate_json(recorded_body("victoriatraces_jaeger_traces.json")).data
    table = span_table(rows_of_jaeger(traces))
    assert table.num_rows == 10
    services = ("frontend", "cart", "checkout", "pay", "email")
    assert set(table.column("service").to_pylist()) == {f"shop/{name}" for name in services}
    assert table.column("parent_span_id").to_pylist().count("") == 2
    assert set(table.column("status").to_pylist()) == {"unset"}


SOME: Answers = {"/api/services": {"data": ["Cart", "web", NAME]}, "/api/traces": {"data": []}}


def test_an_alerting_service_is_asked_for_by_the_name_that_traces_have_for_it() -> None:
    server = Server(SOME)
    ask(over(server), "cart", "nobody")
    assert {asked["service"] for asked in server.of("/api/traces")} == {"Cart"}


def test_without_a_known_one_those_that_nobody_calls_are_asked_for_the_busiest_first() -> None:
    links = [{"parent": "web", "child": "Cart", "callCount": 3}, {"parent": "batch", "child": "Cart", "callCount": 5}]
    server = Server({**SOME, "/api/dependencies": {"data": links}})
    ask(over(server), "nobody")
    assert [asked["service"] for asked in server.of("/api/traces")] == ["batch", "web"]


def test_where_nobody_counted_calls_traces_tell_where_they_begin() -> None:
    table = spans(
        {"span_id": "b1", "service": "b", "parent_span_id": "a1", "start": at(1)},
        {"span_id": "a1", "service": "a", "start": at(1)},
    )
    line = Listening(FakeJaeger(table, dependencies=False).app())
    assert ask(Jaeger(Backend("Jaeger", patient("http://jaeger"), line), PATIENT_PLAN)).num_rows == 2
    assert [asked["service"] for asked in line.of("/api/traces")] == ["a", "b", "a"]


def test_hypocenters_own_traces_are_not_asked_for() -> None:
    server = Server(SOME)
    ask(over(server))
    assert NAME not in {asked["service"] for asked in server.of("/api/traces")}


def test_times_are_asked_for_in_microseconds() -> None:
    server = Server(SOME)
    ask(over(server), "web")
    asked = server.of("/api/traces")[0]
    assert datetime.fromtimestamp(int(asked["start"]) / 1e6, WINDOW.start.tzinfo) == WINDOW.start
    assert datetime.fromtimestamp(int(asked["end"]) / 1e6, WINDOW.start.tzinfo) == WINDOW.end


@pytest.mark.parametrize("versions", [(1,), (3,)])
def test_who_calls_whom_is_topology(versions: tuple[int, ...]) -> None:
    table = spans({"span_id": "a1", "service": "a"}, {"span_id": "b1", "service": "b", "parent_span_id": "a1"})
    found = asyncio.run(over(FakeJaeger(table, versions=versions)).topology(WINDOW))
    assert found.to_pylist() == [{"source": "a", "target": "b", "relation": "calls"}]


def test_a_server_that_counts_no_calls_knows_no_topology() -> None:
    assert asyncio.run(over(FakeJaeger(spans(), dependencies=False)).topology(WINDOW)).num_rows == 0


def test_a_page_that_answers_for_an_older_version_is_no_answer() -> None:
    assert ask(over(FakeJaeger(spans({"span_id": "a1", "start": at(1)}), versions=(3,), page=True)), "a").num_rows == 1


def test_where_no_version_answers_the_first_error_is_told() -> None:
    with pytest.raises(BackendError, match="/api/services"):
        ask(over(FakeJaeger(spans(), versions=())))


def test_the_version_that_answers_is_asked_from_then_on() -> None:
    line = Listening(FakeJaeger(spans({"span_id": "a1", "start": at(1)}), versions=(3,)).app())
    store = Jaeger(Backend("Jaeger", patient("http://jaeger"), line), PATIENT_PLAN)
    ask(store)
    line.asked.clear()
    ask(store)
    assert {url.path.startswith("/api/v3/") for url in line.asked} == {True}


def test_an_error_beside_200_is_an_error() -> None:
    server = Server({"/api/services": {"data": None, "errors": [{"code": 500, "msg": "no\nstorage"}]}})
    with pytest.raises(BackendError, match="Jaeger answered with an error: no storage"):
        ask(over(server))


def test_what_answers_there_is_told_in_a_line() -> None:
    for versions in ((1,), (3,)):
        line = asyncio.run(over(FakeJaeger(spans({}), versions=versions)).found())
        assert line == "Jaeger http://jaeger:16686: 1 services"


def test_a_server_that_refuses_to_tell_dependencies_is_no_fault_and_says_so() -> None:
    table = asyncio.run(over(FakeJaeger(spans(), text_tags=True)).topology(WINDOW))
    assert table.num_rows == 0
    assert notes_of(table) == ("Jaeger counts no calls between services: traces tell them",)
