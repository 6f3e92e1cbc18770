import asyncio
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import httpx
import pyarrow as pa
import pytest

from service.domain.window import Window
from service.errors import BackendError
from service.ports import METRICS
from service.stores.backend import Backend
from service.stores.partial import notes_of
from service.stores.prometheus import FEWEST_POINTS, MOST_POINTS, PrometheusMetrics
from service.stores.prometheus_questions import questions
from service.stores.prometheus_series import FAMILIES, Labels
from tests.patience import patient

T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WINDOW = Window(T0, T0 + timedelta(minutes=10))
T0_S = T0.timestamp()
ADDRESS = "http://prometheus:9090"

Series = dict[str, object]


class Server:
    """A Prometheus that knows some names and gives the same series for each query about one of them."""

    def __init__(self, series: dict[str, list[Series]], answers: dict[str, httpx.Response] | None = None) -> None:
        self.series = series
        self.answers = answers or {}
        self.series_count = "1"
        self.asked: list[dict[str, str]] = []
        self.headers: list[httpx.Headers] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.headers.append(request.headers)
        for part, answer in self.answers.items():
            if part in f"{request.url.path} {request.content.decode()}":
                return answer
        if request.url.path == "/api/v1/label/__name__/values":
            return httpx.Response(200, json={"status": "success", "data": list(self.series)})
        parameters = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        if request.url.path == "/api/v1/query":
            counted: Series = {"value": [T0_S, self.series_count]}
            return httpx.Response(200, json={"status": "success", "data": {"result": [counted]}})
        self.asked.append(parameters)
        found = [one for name, told in self.series.items() if name in parameters["query"] for one in told]
        return httpx.Response(200, json={"status": "success", "data": {"resultType": "matrix", "result": found}})

    def store(self, tenant: str = "") -> PrometheusMetrics:
        return PrometheusMetrics(Backend("Prometheus", patient(ADDRESS, tenant=tenant), httpx.MockTransport(self)))


def ask(store: PrometheusMetrics, window: Window = WINDOW) -> pa.Table:
    return asyncio.run(store.metrics(window))


def one(labels: dict[str, str], *values: str) -> Series:
    return {"metric": labels, "values": [[T0_S + 15 * n, value] for n, value in enumerate(values)]}


def test_a_gauge_becomes_rows_of_its_pod() -> None:
    server = Server({"container_memory_working_set_bytes": [one({"pod": "cart-0", "service": "cart"}, "7", "8.5")]})
    table = ask(server.store())
    assert table.schema == METRICS
    row = {"component": "cart-0", "kind": "pod", "service": "cart", "metric": "container_memory_working_set_bytes"}
    assert table.to_pylist() == [
        row | {"unit": "bytes", "time": T0, "value": 7.0},
        row | {"unit": "bytes", "time": T0 + timedelta(seconds=15), "value": 8.5},
    ]


@pytest.mark.parametrize(
    ("name", "labels", "component", "kind"),
    [
        ("up", {"job": "cart"}, "cart", "service"),
        ("up", {"service_name": "cart", "job": "otel"}, "cart", "service"),
        ("up", {"k8s_pod_name": "cart-1", "job": "cart"}, "cart-1", "pod"),
        ("node_load1", {"instance": "10.0.0.1:9100"}, "10.0.0.1:9100", "node"),
        ("node_load1", {"instance": "10.0.0.1:9100", "node": "n1"}, "n1", "node"),
        ("http_client_request_failures_total", {"service": "cart", "peer": "stock"}, "cart->stock", "edge"),
    ],
)
def test_labels_say_whose_a_series_is(name: str, labels: dict[str, str], component: str, kind: str) -> None:
    table = ask(Server({name: [one(labels, "1")]}).store())
    assert [(row["component"], row["kind"]) for row in table.to_pylist()] == [(component, kind)]


def test_series_of_nobody_and_values_that_are_no_number_are_left_out() -> None:
    server = Server({"up": [one({}, "1"), one({"job": "cart"}, "NaN", "+Inf", "-Inf", "1")]})
    assert ask(server.store()).column("value").to_pylist() == [1.0]


def test_milliseconds_become_seconds() -> None:
    server = Server({f"http_server_duration_milliseconds_{part}": [] for part in ("count", "sum", "bucket")})
    server.series["http_server_duration_milliseconds_bucket"] = [one({"job": "cart"}, "250")]
    rows = [row for row in ask(server.store()).to_pylist() if row["metric"] == "http_server_duration_p90"]
    assert [(row["value"], row["unit"]) for row in rows] == [(0.25, "s")]


def test_only_names_that_are_there_are_asked_for() -> None:
    server = Server({"up": [], "node_load1": []})
    ask(server.store())
    assert len(server.asked) == 2


def test_nothing_there_is_an_empty_table() -> None:
    assert ask(Server({}).store()).num_rows == 0


def test_a_long_window_gets_a_wider_step() -> None:
    server = Server({"up": []})
    ask(server.store(), Window(T0, T0 + timedelta(days=2)))
    assert int(server.asked[0]["step"]) >= 2 * 86_400 / MOST_POINTS


@pytest.mark.parametrize(
    ("series", "points"), [("20", MOST_POINTS), ("4000", 100), ("1e9", FEWEST_POINTS), ("NaN", MOST_POINTS)]
)
def test_of_very_many_series_fewer_points_are_asked_for(series: str, points: int) -> None:
    server = Server({"up": []})
    server.series_count = series
    ask(server.store(), Window(T0, T0 + timedelta(days=2)))
    assert int(server.asked[0]["step"]) == math.ceil(2 * 86_400 / points)


KUBELET = {"job": "kubelet", "service": "monitoring-kubelet", "node": "n1", "instance": "10.0.0.1:10250"}


@pytest.mark.parametrize(
    ("labels", "service"),
    [
        ({"pod": "cart-7d9f8b6c5-x2x9z"}, "cart"),
        ({"pod": "orders-db-0"}, "orders-db"),
        ({"pod": "agent-x2x9z"}, "agent"),
        ({"pod": "cart-7d9f8b6c5-x2x9z", "app": "basket"}, "basket"),
        ({"pod": "handmade"}, "monitoring-kubelet"),
    ],
)
def test_a_pod_that_an_exporter_tells_of_belongs_to_its_workload(labels: dict[str, str], service: str) -> None:
    server = Server({"container_cpu_usage_seconds_total": [one(KUBELET | labels, "1")]})
    (row,) = ask(server.store()).to_pylist()
    assert (row["component"], row["service"]) == (labels["pod"], service)


def test_our_own_series_are_no_evidence() -> None:
    for part in ("hypocenter", "hypocenter-worker"):
        assert ask(Server({"up": [one({"job": part}, "1")]}).store()).num_rows == 0


def test_the_tenant_goes_into_its_header() -> None:
    server = Server({"up": []})
    ask(server.store(tenant="shop"))
    assert {headers["X-Scope-OrgID"] for headers in server.headers} == {"shop"}


def refused(text: str = "query timed out") -> httpx.Response:
    return httpx.Response(422, json={"status": "error", "errorType": "execution", "error": text})


def test_a_refused_question_costs_only_its_own_series_and_is_told() -> None:
    server = Server({"up": [one({"job": "cart"}, "1")], "node_load1": []}, {"node_load1": refused()})
    table = ask(server.store())
    assert table.num_rows == 1
    (note,) = notes_of(table)
    assert note.startswith("1 of 2 questions got no answer: Prometheus answered")
    assert note.endswith("query timed out")


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({"/values": httpx.Response(500, text="no")}, "with 500: no"),
        ({"/values": httpx.Response(200, json=[1])}, "input should be an object"),
        ({"/values": httpx.Response(200, json={"status": "success"})}, "with an error: success"),
        ({"/values": refused("index\nbroken")}, "index"),
        ({"query_range": refused()}, "query timed out"),
        ({"query_range": httpx.Response(200, json={"status": "success", "data": {"result": 3}})}, "result"),
    ],
)
def test_a_server_that_cannot_say_what_it_has_is_a_backend_error(answers: dict[str, httpx.Response], told: str) -> None:
    with pytest.raises(BackendError) as caught:
        ask(Server({"up": []}, answers).store())
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def fails(error: type[httpx.HTTPError]) -> Callable[[httpx.Request], httpx.Response]:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error("gone")

    return answer


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout])
def test_a_server_that_is_gone_is_a_backend_error(error: type[httpx.HTTPError]) -> None:
    backend = Backend("Prometheus", patient(ADDRESS), httpx.MockTransport(fails(error)))
    with pytest.raises(BackendError, match="Prometheus"):
        ask(PrometheusMetrics(backend))


def test_warnings_are_told_beside_their_answer_each_once() -> None:
    body = {"status": "success", "warnings": ["a store\nis gone"], "data": {"result": [one({"job": "cart"}, "1")]}}
    table = ask(Server({"up": [], "node_load1": []}, {"query_range": httpx.Response(200, json=body)}).store())
    assert table.num_rows == 1
    assert notes_of(table) == ("a store\ufffdis gone",)


def test_every_family_asks_something_and_no_two_answers_share_a_name() -> None:
    for family in FAMILIES:
        names = {f"{family.name}_{part}" for part in ("count", "sum", "bucket")} | {family.name}
        asked = list(questions([family], names, Labels(), 45))
        assert asked
        assert len({question.metric for question in asked}) == len(asked)


class Scraped(Server):
    """Of what it scrapes every minute a rate over less than two minutes has nothing; it counts no samples for us."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        over = re.search(rb"%5B(\d+)s%5D", request.content)
        if request.url.path == "/api/v1/query_range" and over is not None and int(over[1]) < 120:
            self.asked.append({"query": "short"})
            return httpx.Response(200, json={"status": "success", "data": {"result": []}})
        return super().__call__(request)


def test_a_rate_that_finds_nothing_is_asked_for_over_a_longer_range() -> None:
    server = Scraped({"process_cpu_seconds_total": [one({"job": "cart"}, "1")]})
    table = ask(server.store())
    assert table.column("metric").to_pylist() == ["process_cpu_seconds"]
    assert [asked["query"] == "short" for asked in server.asked] == [True, False]
    assert "[300s]" in server.asked[1]["query"]


def test_what_stays_empty_although_its_name_is_there_is_a_note() -> None:
    server = Server({"process_cpu_seconds_total": [], "up": [one({"job": "cart"}, "1")]})
    assert notes_of(ask(server.store())) == (
        "no sample came back of process_cpu_seconds, although there are such series",
    )


def test_names_that_nobody_knows_and_exporters_that_are_missing_are_notes() -> None:
    assert notes_of(ask(Server({"a_b_c": []}).store())) == (
        "none of 1 names is one that is known: name yours in [metrics] families",
    )
    server = Server({"container_memory_working_set_bytes": [one({"pod": "cart-0"}, "1")]})
    (note,) = notes_of(ask(server.store()))
    assert "no kube-state-metrics" in note
