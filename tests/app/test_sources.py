import asyncio
import json
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from service.errors import SettingsError
from service.gateway.context import Check
from service.settings import Settings, read_settings
from service.stores.backend import Backend
from service.stores.embedded.query import EmbeddedTelemetry
from service.stores.prometheus import PrometheusMetrics
from service.view.windows import LiveWindows
from service.wiring.backends import Backends, access_of
from service.wiring.sources import Source, open_source
from tests.stores.test_prometheus import WINDOW, Server, one

PROMETHEUS = "http://127.0.0.1:9090"
METRICS = {"kind": "prometheus", "url": PROMETHEUS}

SERVERS: list[tuple[str, str]] = [
    ("traces", "jaeger"),
    ("traces", "tempo"),
    ("traces", "clickhouse"),
    ("logs", "loki"),
    ("logs", "elasticsearch"),
    ("logs", "opensearch"),
    ("logs", "victorialogs"),
    ("logs", "clickhouse"),
    ("metrics", "prometheus"),
    ("metrics", "victoriametrics"),
    ("metrics", "thanos"),
    ("metrics", "mimir"),
    ("changes", "kubernetes"),
    ("topology", "kubernetes"),
    ("topology", "jaeger"),
]


def settings(**told: object) -> Settings:
    return Settings.model_validate(told)


def opened(**told: object) -> Source:
    source = open_source(settings(**told))
    assert source is not None
    return source


def test_without_a_source_there_is_none() -> None:
    assert open_source(settings()) is None


@pytest.mark.parametrize(("signal", "kind"), SERVERS)
def test_a_server_answers_for_the_signal_that_it_is_named_for(signal: str, kind: str) -> None:
    telemetry = opened(**{signal: {"kind": kind, "url": "http://127.0.0.1:1"}}).telemetry
    assert getattr(telemetry, signal) is not None


def test_what_no_server_is_named_for_comes_from_exporters(tmp_path: Path) -> None:
    source = opened(telemetry={"embedded": tmp_path}, metrics=METRICS)
    assert isinstance(source.telemetry.metrics, PrometheusMetrics)
    assert isinstance(source.telemetry.traces, EmbeddedTelemetry)


@pytest.mark.parametrize(("signal", "kind"), [("traces", "jaeger"), ("changes", "kubernetes")])
def test_a_server_that_knows_who_is_where_needs_no_setting_for_it(signal: str, kind: str) -> None:
    telemetry = opened(**{signal: {"kind": kind, "url": "http://127.0.0.1:1"}}).telemetry
    assert telemetry.topology is not None


def test_without_a_cluster_around_it_its_address_has_to_be_said() -> None:
    with pytest.raises(SettingsError, match=r"^\[changes\] .*serviceaccount"):
        open_source(settings(changes={"kind": "kubernetes"}))


def test_two_signals_of_one_server_share_its_limits() -> None:
    backends = Backends()
    told = settings(
        logs={"kind": "clickhouse", "url": PROMETHEUS, "at_once": 2},
        metrics=METRICS,
        topology={"kind": "kubernetes", "url": "http://127.0.0.1:1"},
        changes={"kind": "kubernetes", "url": "http://127.0.0.1:1"},
    )
    groups = {"logs": told.logs, "metrics": told.metrics, "changes": told.changes, "topology": told.topology}
    found: dict[str, Backend] = {signal: backends.of(signal, group) for signal, group in groups.items()}
    assert found["changes"] is found["topology"]
    assert len({id(backend) for backend in found.values()}) == 3


def test_every_setting_of_a_server_reaches_it(tmp_path: Path) -> None:
    files = {
        name: tmp_path / name for name in ("bearer_file", "password_file", "ca_file", "certificate_file", "key_file")
    }
    numbers = {"connect_s": 1.0, "read_s": 2.0, "total_s": 3.0, "body_limit_bytes": 5000, "at_once": 7}
    texts = {"tenant": "t", "tenant_header": "X-T", "user": "u", "headers": {"A": "b"}, "header_files": {"C": tmp_path}}
    said = {**METRICS, **files, **numbers, **texts}
    access = access_of(settings(metrics=said).metrics)
    assert {name: getattr(access, name) for name in said if name != "kind"} == {
        n: v for n, v in said.items() if n != "kind"
    }


def test_own_labels_and_series_of_a_prometheus_are_asked_for_beside_the_usual(tmp_path: Path) -> None:
    config = tmp_path / "hypocenter.toml"
    config.write_text(f"""
        metrics.kind = "prometheus"
        metrics.url = "{PROMETHEUS}"
        metrics.families = [{{ name = "shop_queue_length", form = "gauge", unit = "messages" }}]
        labels.service = ["workload"]
    """)
    told = read_settings({"HYPOCENTER_LABELS__POD": "instance_name, replica"}, config)
    series = {
        "shop_queue_length": [one({"workload": "cart", "replica": "cart-0", "app": "shop"}, "3")],
        "container_memory_working_set_bytes": [one({"service": "stock", "pod": "stock-0"}, "7")],
    }
    source = open_source(told, httpx.MockTransport(Server(series)))
    assert source is not None
    assert source.telemetry.metrics is not None
    rows = asyncio.run(source.telemetry.metrics.metrics(WINDOW)).to_pylist()
    assert {(row["component"], row["service"], row["metric"], row["unit"]) for row in rows} == {
        ("cart-0", "cart", "shop_queue_length", "messages"),
        ("stock-0", "stock", "container_memory_working_set_bytes", "bytes"),
    }


def ready(asked: list[str], **told: object) -> Check:
    """Readiness of sources of which Loki is broken; asked for twice."""

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if "loki" in request.url.host:
            return httpx.Response(500, text="ring is empty")
        value = {"result": [{"value": [0, "4"]}]} if request.url.path.endswith("query") else ["job"]
        return httpx.Response(200, json={"status": "success", "data": value})

    source = open_source(settings(**told), httpx.MockTransport(answer))
    assert source is not None
    asyncio.run(source.check())
    return asyncio.run(source.check())


def test_ready_is_who_has_one_source_that_answers() -> None:
    logs = {"kind": "loki", "url": "http://loki"}
    check = ready([], logs=logs, metrics=METRICS)
    assert check.ok
    assert "ring is empty" in check.found
    assert "4 targets" in check.found
    assert not ready([], logs=logs).ok


def test_probes_that_come_often_do_not_ask_as_often() -> None:
    asked: list[str] = []
    assert ready(asked, metrics=METRICS).ok
    assert len(asked) == len(set(asked))


def test_live_windows_are_as_set(tmp_path: Path) -> None:
    source = opened(telemetry={"embedded": tmp_path}, windows={"lead_s": 30, "baseline_s": 90})
    assert source.windows == LiveWindows(lead=timedelta(seconds=30), baseline=timedelta(seconds=90))


def test_a_case_and_a_live_source_are_one_too_many(case_dir: Path) -> None:
    with pytest.raises(SettingsError, match="choose one"):
        open_source(settings(case=case_dir, metrics=METRICS))


def test_a_credential_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^\[metrics\] a credential cannot be read from .*: No such file"):
        open_source(settings(metrics={**METRICS, "bearer_file": tmp_path / "token"}))


WRONG: list[tuple[dict[str, str], str]] = [
    ({"METRICS__URL": "localhost:9090"}, "HYPOCENTER_METRICS__URL: "),
    ({"METRICS__URL": PROMETHEUS}, "environment: metrics: has a url but no kind, which should be one of prometheus,"),
    ({"LOGS__KIND": "loki"}, "environment: logs: is of kind loki, but has no url"),
    ({"LOGS__KIND": "splunk", "LOGS__URL": PROMETHEUS}, "HYPOCENTER_LOGS__KIND: should be one of loki, elasticsearch,"),
    ({"LOGS__HEADERS": "X-Key"}, "HYPOCENTER_LOGS__HEADERS: should be Name=value"),
    ({"LOGS__HEADERS": "X Key=1"}, "HYPOCENTER_LOGS__HEADERS"),
    ({"METRICS__URL": f"{PROMETHEUS}/?x=1"}, "HYPOCENTER_METRICS__URL: "),
    ({"TELEMETRY__PROMETHEUS_URL": PROMETHEUS}, "HYPOCENTER_TELEMETRY__PROMETHEUS_URL is no setting"),
    ({"LOGS__TOTAL_S": "0"}, "HYPOCENTER_LOGS__TOTAL_S: "),
]


@pytest.mark.parametrize(("environ", "told"), WRONG)
def test_what_cannot_be_meant_is_one_line(environ: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({f"HYPOCENTER_{name}": value for name, value in environ.items()})
    assert told in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_headers_are_a_table_of_the_file_or_pairs_of_the_environment(tmp_path: Path) -> None:
    config = tmp_path / "hypocenter.toml"
    config.write_text('[logs]\nkind = "loki"\nurl = "http://l"\n[logs.header_files]\nX-Api-Key = "/run/key"\n')
    told = read_settings({"HYPOCENTER_LOGS__HEADERS": "X-Own=1, X-Two=a=b"}, config)
    assert json.loads(told.logs.model_dump_json())["header_files"] == {"X-Api-Key": "/run/key"}
    assert told.logs.headers == {"X-Own": "1", "X-Two": "a=b"}
