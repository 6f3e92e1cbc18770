from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from service.errors import SettingsError
from service.settings import Settings, read_settings
from service.stores.embedded.query import EmbeddedTelemetry
from service.stores.prometheus import PrometheusMetrics
from service.view.windows import LiveWindows
from service.wiring.sources import open_prometheus, open_source
from tests.stores.test_prometheus import Server, ask, one

PROMETHEUS = "http://127.0.0.1:9090"


def settings(**told: object) -> Settings:
    return Settings.model_validate(told)


def test_without_a_source_there_is_none() -> None:
    assert open_source(settings()) is None


def test_metrics_come_from_prometheus_where_one_is_named(tmp_path: Path) -> None:
    source = open_source(settings(telemetry={"embedded": tmp_path, "prometheus_url": PROMETHEUS}))
    assert source is not None
    assert isinstance(source.telemetry.metrics, PrometheusMetrics)
    assert isinstance(source.telemetry.traces, EmbeddedTelemetry)


def test_prometheus_alone_is_a_source() -> None:
    source = open_source(settings(telemetry={"prometheus_url": PROMETHEUS}))
    assert source is not None
    assert source.telemetry.traces is None
    assert isinstance(source.telemetry.metrics, PrometheusMetrics)


def test_own_labels_and_series_of_a_prometheus_are_asked_for_beside_the_usual(tmp_path: Path) -> None:
    config = tmp_path / "hypocenter.toml"
    config.write_text(f"""
        telemetry.prometheus_url = "{PROMETHEUS}"
        telemetry.prometheus_families = [{{ name = "shop_queue_length", form = "gauge", unit = "messages" }}]
        labels.service = ["workload"]
    """)
    told = read_settings({"HYPOCENTER_LABELS__POD": "instance_name, replica"}, config)
    series = {
        "shop_queue_length": [one({"workload": "cart", "replica": "cart-0", "app": "shop"}, "3")],
        "container_memory_working_set_bytes": [one({"service": "stock", "pod": "stock-0"}, "7")],
    }
    store = open_prometheus(told.telemetry, told.labels, httpx.MockTransport(Server(series)))
    assert store is not None
    rows = ask(store).to_pylist()
    assert {(row["component"], row["service"], row["metric"], row["unit"]) for row in rows} == {
        ("cart-0", "cart", "shop_queue_length", "messages"),
        ("stock-0", "stock", "container_memory_working_set_bytes", "bytes"),
    }


def test_live_windows_are_as_set(tmp_path: Path) -> None:
    source = open_source(settings(telemetry={"embedded": tmp_path}, windows={"lead_s": 30, "baseline_s": 90}))
    assert source is not None
    assert source.windows == LiveWindows(lead=timedelta(seconds=30), baseline=timedelta(seconds=90))


def test_a_case_and_a_live_source_are_one_too_many(case_dir: Path) -> None:
    with pytest.raises(SettingsError, match="choose one"):
        open_source(settings(case=case_dir, telemetry={"prometheus_url": PROMETHEUS}))


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="prometheus_url"):
        settings(telemetry={"prometheus_url": "localhost:9090"})
