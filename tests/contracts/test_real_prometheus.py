"""A real Prometheus and a real VictoriaMetrics with a past that is known: they answer our questions alike, as the port
promises, values, units and times included.
"""

import asyncio
import contextlib
import functools
import json
import math
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import httpx
import pyarrow as pa
import pytest

from model_store.bench_adapters.prometheus import running, started
from model_store.ports import held_ports
from service.domain.alert import Alert
from service.domain.window import Window
from service.ports import METRICS
from service.stores.backend import Backend
from service.stores.partial import notes_of
from service.stores.prometheus import PrometheusMetrics
from service.stores.prometheus_exemplars import PrometheusExemplars
from service.stores.prometheus_series import Family
from tests.patience import patient
from tests.programs import installed
from tests.waiting import LIMIT_S, wait_until

STEP_S, STEPS = 15, 80

KUBELET = 'job="kubelet",service="kubelet",instance="10.0.0.1:10250",node="n1"'
POD = 'pod="cart-7d9f8b6c5-x2x9z"'
HTTP = "http_server_duration_milliseconds"
EXAMPLES = [
    ("0.1", 3, '# {trace_id="0000000000000000000000000000000a"} 0.05'),
    ("1", 4, '# {trace_id="0000000000000000000000000000000b"} 0.9'),
    ("+Inf", 5, '# {trace_id="0000000000000000000000000000000c"} 3.5'),
]
SERIES: dict[str, tuple[float, float]] = {
    f'container_cpu_usage_seconds_total{{{KUBELET},{POD},container="cart"}}': (0, 0.5),
    f'container_cpu_usage_seconds_total{{{KUBELET},{POD},container="proxy"}}': (0, 0.25),
    f'container_cpu_usage_seconds_total{{{KUBELET},{POD},container=""}}': (0, 0.75),
    f"container_network_receive_bytes_total{{{KUBELET},{POD}}}": (0, 1000),
    f'container_memory_working_set_bytes{{{KUBELET},{POD},container="cart"}}': (3e6, 0),
    f'{HTTP}_count{{job="cart",http_status_code="200"}}': (0, 2),
    f'{HTTP}_count{{job="cart",http_status_code="503"}}': (0, 1),
    f'{HTTP}_sum{{job="cart",http_status_code="200"}}': (0, 400),
    f'{HTTP}_sum{{job="cart",http_status_code="503"}}': (0, 50),
    f'{HTTP}_bucket{{job="cart",http_status_code="200",le="100"}}': (0, 0),
    f'{HTTP}_bucket{{job="cart",http_status_code="200",le="200"}}': (0, 2),
    f'{HTTP}_bucket{{job="cart",http_status_code="200",le="+Inf"}}': (0, 2),
    'http_client_request_failures_total{job="cart",peer="stock"}': (0, 0.1),
    f'kube_pod_container_status_restarts_total{{{KUBELET},{POD},container="cart"}}': (7, 1 / 15),
    'node_cpu_seconds_total{job="node",instance="10.0.0.1:9100",nodename="n1",mode="idle"}': (0, 0.9),
    'up{job="hypocenter"}': (1, 0),
    'up{job="cart"}': (1, 0),
    'node_load1{instance="10.0.0.1:9100"}': (math.nan, 0),
}
"""Series, their value at the start and by how much it grows in a second."""


@functools.cache
def start() -> datetime:
    """When the history begins: so lately that the servers keep it."""
    return datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=3)


def middle() -> Window:
    """Ten minutes of the history."""
    return Window(start() + timedelta(minutes=5), start() + timedelta(minutes=15))


def history(in_a_second: int = 1) -> str:
    """All of it as OpenMetrics, or with times in finer parts of a second as a Prometheus exposes samples."""
    lines = [
        f"{series} {f'{first + growth * STEP_S * n:g}'.replace('nan', 'NaN')} "
        f"{(start().timestamp() + STEP_S * n) * in_a_second:.0f}"
        for series, (first, growth) in SERIES.items()
        for n in range(STEPS)
    ]
    return "\n".join((*lines, "# EOF", ""))


@contextlib.contextmanager
def prometheus(directory: Path) -> Generator[str]:
    """A Prometheus with that history, which scrapes what gives examples; its address."""
    with giving_examples() as target:
        scraping = {"job_name": "web", "scrape_interval": "1s", "static_configs": [{"targets": [target]}]}
        config = json.dumps({"scrape_configs": [scraping]})
        with running(directory, history(), ["--enable-feature=exemplar-storage"], config) as url:
            yield url


@contextlib.contextmanager
def victoria_metrics(directory: Path) -> Generator[str]:
    """A VictoriaMetrics with that history; its address."""
    options = [f"-storageDataPath={directory / 'data'}", "-memory.allowedBytes=100MB"]
    with held_ports(1) as (port,):
        url = f"http://127.0.0.1:{port}"
        command = ["victoria-metrics", *options, f"-httpListenAddr=127.0.0.1:{port}"]
        with started(command, directory / "log", f"{url}/health"):
            sent = history(in_a_second=1000).removesuffix("# EOF\n")
            httpx.post(
                f"{url}/api/v1/import/prometheus", content=sent, trust_env=False, timeout=LIMIT_S
            ).raise_for_status()
            httpx.get(f"{url}/internal/force_flush", trust_env=False, timeout=LIMIT_S).raise_for_status()
            yield url


@contextlib.contextmanager
def giving_examples() -> Generator[str]:
    """Something that is scraped, and names a trace for each of its buckets; its address."""

    class Exposition(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told = "".join(f'web_duration_seconds_bucket{{le="{le}"}} {n} {example}\n' for le, n, example in EXAMPLES)
            body = f"# TYPE web_duration_seconds histogram\n{told}# EOF\n".encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Exposition)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


Open = Callable[[Path], contextlib.AbstractContextManager[str]]
SERVERS: dict[Open, tuple[str, ...]] = {prometheus: ("prometheus", "promtool"), victoria_metrics: ("victoria-metrics",)}
"""And the programs that each needs; Debian has packages of both, by the names of the first."""


@pytest.fixture(scope="module", params=SERVERS, ids=lambda server: server.__name__)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    for program in SERVERS[request.param]:
        installed(program, SERVERS[request.param][0])
    with request.param(tmp_path_factory.mktemp(request.param.__name__)) as address:
        yield address


def ask(url: str, window: Window, *expressions: str) -> pa.Table:
    links = [f"http://elsewhere.example/graph?{urlencode({'g0.expr': expression})}" for expression in expressions]
    alerts = [Alert("f", start(), generator_url=link) for link in links]

    async def asked() -> pa.Table:
        backend = Backend("Prometheus", patient(url))
        try:
            return await PrometheusMetrics(backend).metrics(window, alerts)
        finally:
            await backend.aclose()

    return asyncio.run(asked())


@pytest.fixture(scope="module")
def table(url: str) -> pa.Table:
    return ask(url, middle())


def rows(table: pa.Table, metric: str) -> list[dict[str, Any]]:
    return [row for row in table.to_pylist() if row["metric"] == metric]


KNOWN: list[tuple[str, str, str, str, str, float]] = [
    ("container_cpu_usage_seconds", "cart-7d9f8b6c5-x2x9z", "pod", "cart", "cores", 0.75),
    ("container_network_receive_bytes", "cart-7d9f8b6c5-x2x9z", "pod", "cart", "bytes/s", 1000.0),
    ("container_memory_working_set_bytes", "cart-7d9f8b6c5-x2x9z", "pod", "cart", "bytes", 3e6),
    ("kube_pod_container_status_restarts", "cart-7d9f8b6c5-x2x9z", "pod", "cart", "", 3.0),
    ("http_server_duration_requests", "cart", "service", "cart", "1/s", 3.0),
    ("http_server_duration_errors", "cart", "service", "cart", "1/s", 1.0),
    ("http_server_duration_mean", "cart", "service", "cart", "s", 0.15),
    ("http_server_duration_p90", "cart", "service", "cart", "s", 0.19),
    ("http_client_request_failures", "cart->stock", "edge", "cart", "1/s", 0.1),
    ("node_cpu_utilization", "n1", "node", "", "", 0.1),
    ("up", "cart", "service", "cart", "", 1.0),
]


@pytest.mark.parametrize(("metric", "component", "kind", "service", "unit", "value"), KNOWN)
def test_a_known_past_is_told_in_our_units(
    table: pa.Table, metric: str, component: str, kind: str, service: str, unit: str, value: float
) -> None:
    told = rows(table, metric)
    assert {(row["component"], row["kind"], row["service"], row["unit"]) for row in told} == {
        (component, kind, service, unit)
    }
    assert [row["value"] for row in told] == pytest.approx([value] * len(told), rel=1e-6)
    times = [row["time"] for row in told]
    assert times == [middle().start + timedelta(seconds=STEP_S * n) for n in range(len(told))]
    assert times[-1] == middle().end


def test_what_is_no_number_and_what_is_ours_is_left_out(table: pa.Table) -> None:
    assert rows(table, "node_load1") == []
    assert "hypocenter" not in table.column("service").to_pylist()


def test_it_keeps_to_a_window_of_any_ends_and_to_all_of_it(url: str) -> None:
    odd = Window(start() + timedelta(minutes=2, seconds=7.5), start() + timedelta(minutes=18, seconds=3.25))
    times = [row["time"] for row in rows(ask(url, odd), "up")]
    assert odd.start <= min(times) < odd.start + timedelta(seconds=STEP_S)
    assert odd.end - timedelta(seconds=STEP_S) < max(times) <= odd.end


def test_a_time_without_samples_is_an_empty_table(url: str) -> None:
    before = ask(url, Window(start() - timedelta(days=1), start() - timedelta(hours=23)))
    assert before.num_rows == 0
    assert before.schema.equals(METRICS)


def test_asked_twice_the_answer_is_the_same(url: str, table: pa.Table) -> None:
    def sorted_rows(told: pa.Table) -> list[tuple[str, ...]]:
        return sorted(tuple(map(str, row.values())) for row in told.to_pylist())

    assert table.schema.equals(METRICS)
    assert sorted_rows(ask(url, middle())) == sorted_rows(table)


def test_what_a_rule_looks_at_is_there_although_it_never_held(url: str) -> None:
    failing = f'sum by (job) (rate({HTTP}_count{{http_status_code="503"}}[1m]))'
    told = rows(ask(url, middle(), f"{failing} > 1000 # of all"), failing)
    assert {(row["component"], row["kind"]) for row in told} == {("cart", "service")}
    assert [row["value"] for row in told] == pytest.approx([1.0] * 41)


@pytest.mark.parametrize("nonsense", ["sum(", "}" * 4_000, "\x00", "up\n\n; drop"])
def test_a_rule_that_is_nonsense_is_refused_in_a_note(url: str, table: pa.Table, nonsense: str) -> None:
    told = ask(url, middle(), nonsense)
    assert told.num_rows == table.num_rows
    (note,) = notes_of(told)
    assert note.startswith("an alert's own expression got no answer: Prometheus answered")
    assert "\n" not in note


@pytest.mark.parametrize("hostile", ["1) or vector(1", "up[10y:1ms]", 'count({__name__=~".+"}) by (__name__)'])
def test_whatever_a_rule_is_the_rest_is_there(url: str, table: pa.Table, hostile: str) -> None:
    told, usual = ask(url, middle(), hostile), set(table.column("metric").to_pylist())
    assert [row["metric"] in usual for row in told.to_pylist()].count(True) == table.num_rows


def test_traces_are_named_the_slowest_first_and_a_server_that_keeps_none_names_none(url: str, request: Any) -> None:
    """What is scraped gets there within seconds."""
    web = Family("web_duration_seconds", "histogram", "s")
    expected = ["c", "b", "a"] if request.node.callspec.params["url"] is prometheus else []

    async def named() -> list[str]:
        backend = Backend("Prometheus", patient(url))
        now = datetime.now(UTC)
        try:
            window = Window(now - timedelta(hours=1), now + timedelta(hours=1))
            return [each.lstrip("0") for each in await PrometheusExemplars(backend, families=[web]).exemplars(window)]
        finally:
            await backend.aclose()

    wait_until(lambda: asyncio.run(named()) == expected)
