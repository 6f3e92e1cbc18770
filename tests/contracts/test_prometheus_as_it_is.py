"""A real Prometheus as people have it: jobs scraped every minute beside others, bounds of buckets written in two ways,
counters that begin again, series that only recording rules keep, native histograms.
"""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from model_store.bench_adapters.prometheus import running
from service.domain.window import Window
from service.stores.backend import Backend
from service.stores.partial import notes_of
from service.stores.prometheus import PrometheusMetrics
from service.stores.prometheus_series import FAMILIES, Family
from tests.contracts.remote_write import NativeHistogram, push
from tests.patience import patient
from tests.programs import installed

LATENCY = "http_server_request_duration_seconds"
RECORDED = "namespace_pod:container_cpu_usage_seconds_total:sum_rate5m"
CUT_AT = 20
"""The minute in which a counter begins again."""


def ask(url: str, window: Window, families: Sequence[Family] = FAMILIES) -> pa.Table:
    async def answer() -> pa.Table:
        backend = Backend("Prometheus", patient(url))
        try:
            return await PrometheusMetrics(backend, families=families).metrics(window)
        finally:
            await backend.aclose()

    return asyncio.run(answer())


def values(table: pa.Table, metric: str, component: str) -> list[float]:
    rows: list[dict[str, Any]] = table.to_pylist()
    return [row["value"] for row in rows if (row["metric"], row["component"]) == (metric, component)]


@pytest.fixture(scope="module")
def end() -> datetime:
    return datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=1)


def history(end: datetime) -> str:
    """Half an hour: of "quick" a sample every 15 s, of all else one a minute."""
    lines: list[str] = []

    def add(series: str, every_s: int, value: float, per_s: float = 0.0, again_at_s: int | None = None) -> None:
        for at_s in range(0, 1801, every_s):
            since_s = at_s if again_at_s is None or at_s < again_at_s else at_s - again_at_s
            lines.append(f"{series} {value + per_s * since_s:g} {end.timestamp() - 1800 + at_s:.0f}")

    for job, every_s in (("quick", 15), ("shop/slow", 60)):
        add(f'process_cpu_seconds_total{{job="{job}"}}', every_s, 0, 0.5)
    add('redis_commands_processed_total{job="cache"}', 60, 0, 10, again_at_s=60 * CUT_AT)
    for pod, whole in (("a", "1"), ("b", "1.0")):  # of one service: an old library, and a new one
        for bound, per_s in (("0.5", 1.0), (whole, 2.0), ("+Inf", 2.0)):
            add(f'{LATENCY}_bucket{{job="web",instance_of="{pod}",le="{bound}"}}', 60, 0, per_s)
        add(f'{LATENCY}_count{{job="web",instance_of="{pod}"}}', 60, 0, 2)
    add(f'{RECORDED}{{namespace="shop",pod="cart-0",container="cart"}}', 60, 0.25)
    add(f'{RECORDED}{{namespace="shop",pod="cart-0",container="proxy"}}', 60, 0.5)
    add('rpc_server_duration_milliseconds{job="web",quantile="0.9"}', 60, 3)
    add('node_cpu_seconds_total{job="node",instance="n1",mode="user"}', 60, 0, 0.5)
    return "\n".join((*lines, "# EOF", ""))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory, end: datetime) -> Iterator[pa.Table]:
    installed("prometheus", "prometheus")
    installed("promtool", "prometheus")
    with running(tmp_path_factory.mktemp("prometheus"), history(end)) as url:
        yield ask(url, Window(end - timedelta(minutes=20), end))


def test_each_job_is_asked_at_its_own_pace(table: pa.Table) -> None:
    quick, slow = (values(table, "process_cpu_seconds", job) for job in ("quick", "shop/slow"))
    assert (len(quick), len(slow)) == (81, 21)
    assert quick + slow == pytest.approx([0.5] * 102)


def test_a_counter_that_begins_again_has_no_gap_and_no_leap(table: pa.Table) -> None:
    rates = values(table, "redis_commands_processed", "cache")
    assert len(rates) == 21
    assert all(rate <= 10.5 for rate in rates)
    assert rates[-1] == pytest.approx(10)


def test_bounds_of_buckets_are_numbers_however_they_are_written(table: pa.Table) -> None:
    p90 = values(table, "http_server_request_duration_p90", "web")
    assert p90 == pytest.approx([0.9] * 21)


def test_what_recording_rules_keep_stands_for_what_is_not_there(table: pa.Table) -> None:
    assert values(table, "container_cpu_usage_seconds", "cart-0") == pytest.approx([0.75] * 81)


def test_what_came_back_empty_is_a_note(table: pa.Table) -> None:
    (note,) = [note for note in notes_of(table) if "no sample came back" in note]
    assert note == "no sample came back of node_cpu_utilization, although there are such series"


def test_native_histograms_tell_rate_mean_and_quantile(tmp_path: Any) -> None:
    installed("prometheus", "prometheus")
    installed("promtool", "prometheus")
    options = ["--web.enable-remote-write-receiver", "--enable-feature=native-histograms"]
    moment = datetime.now(UTC).replace(microsecond=0)
    minutes = range(0, 1201, 60)
    observed = [NativeHistogram(moment.timestamp() - 1200 + at_s, -1, (at_s, at_s * 2), at_s * 1.5) for at_s in minutes]
    with running(tmp_path, "# EOF\n", options) as url:
        push(url, [({"__name__": LATENCY, "job": "web"}, observed)])
        found = ask(url, Window(moment - timedelta(minutes=10), moment))
    of_requests = values(found, "http_server_request_duration_requests", "web")
    assert of_requests == pytest.approx([3.0] * 11)
    assert values(found, "http_server_request_duration_mean", "web") == pytest.approx([0.5] * 11)
    assert all(0.5 < value <= 1 for value in values(found, "http_server_request_duration_p90", "web"))
    assert notes_of(found) == ()
