"""A real Prometheus with a past that is known: what it answers to our questions, values, units and times included."""

import asyncio
import contextlib
import math
import shutil
import subprocess
import time
from collections.abc import Generator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from service.domain.window import Window
from service.stores.backend import Access, Backend
from service.stores.prometheus import PrometheusMetrics
from tests.service_process.conftest import free_port

START = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=3)
STEP_S, STEPS = 15, 80
WINDOW = Window(START + timedelta(minutes=5), START + timedelta(minutes=15))
PATIENCE_S = 90

KUBELET = 'job="kubelet",service="kubelet",instance="10.0.0.1:10250",node="n1"'
POD = 'pod="cart-7d9f8b6c5-x2x9z"'
HTTP = "http_server_duration_milliseconds"
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
    'node_cpu_seconds_total{job="node",instance="10.0.0.1:9100",nodename="n1",mode="idle"}': (0, 0.9),
    'up{job="hypocenter"}': (1, 0),
    'up{job="cart"}': (1, 0),
    'node_load1{instance="10.0.0.1:9100"}': (math.nan, 0),
}
"""Series, their value at the start and by how much it grows in a second."""


def history() -> str:
    """All of it as OpenMetrics."""
    lines = [
        f"{series} {f'{first + growth * STEP_S * n:g}'.replace('nan', 'NaN')} {START.timestamp() + STEP_S * n:.3f}"
        for series, (first, growth) in SERIES.items()
        for n in range(STEPS)
    ]
    return "\n".join((*lines, "# EOF", ""))


@contextlib.contextmanager
def running(directory: Path) -> Generator[str]:
    """A Prometheus with that history; its address."""
    (directory / "history").write_text(history())
    (directory / "prometheus.yml").write_text("{}")
    blocks = ["tsdb", "create-blocks-from", "openmetrics", str(directory / "history"), str(directory / "data")]
    subprocess.run(["promtool", *blocks], capture_output=True, timeout=PATIENCE_S, check=True)
    url = f"http://127.0.0.1:{free_port()}"
    options = [f"--config.file={directory / 'prometheus.yml'}", f"--storage.tsdb.path={directory / 'data'}"]
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(
            ["prometheus", *options, f"--web.listen-address={url.removeprefix('http://')}"], stderr=log, stdout=log
        )
        try:
            wait_for(f"{url}/-/ready")
            yield url
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def wait_for(url: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, trust_env=False).is_success:
                return
        time.sleep(0.1)
    raise TimeoutError(url)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        pytest.skip("no Prometheus is installed here")
    with running(tmp_path_factory.mktemp("prometheus")) as address:
        yield address


@pytest.fixture(scope="module")
def table(url: str) -> pa.Table:
    async def asked() -> pa.Table:
        backend = Backend("Prometheus", Access(url, read_s=60, total_s=60))
        try:
            return await PrometheusMetrics(backend).metrics(WINDOW)
        finally:
            await backend.aclose()

    return asyncio.run(asked())


def rows(table: pa.Table, metric: str) -> list[dict[str, Any]]:
    return [row for row in table.to_pylist() if row["metric"] == metric]


KNOWN: list[tuple[str, str, str, str, str, float]] = [
    ("container_cpu_usage_seconds", "cart-7d9f8b6c5-x2x9z", "pod", "cart", "cores", 0.75),
    ("container_network_receive_bytes", "cart-7d9f8b6c5-x2x9z", "pod", "cart", "bytes/s", 1000.0),
    ("container_memory_working_set_bytes", "cart-7d9f8b6c5-x2x9z", "pod", "cart", "bytes", 3e6),
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
    assert times == [WINDOW.start + timedelta(seconds=STEP_S * n) for n in range(len(told))]
    assert times[-1] == WINDOW.end


def test_what_is_no_number_and_what_is_ours_is_left_out(table: pa.Table) -> None:
    assert rows(table, "node_load1") == []
    assert "hypocenter" not in table.column("service").to_pylist()
