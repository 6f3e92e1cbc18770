from datetime import timedelta
from pathlib import Path

import pytest

from service.app import open_source
from service.errors import SettingsError
from service.settings import Settings
from service.stores.embedded.query import EmbeddedTelemetry
from service.stores.prometheus import PrometheusMetrics
from service.view.windows import LiveWindows

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
