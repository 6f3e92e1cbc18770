"""A gateway and a worker, each a process of its own, and a collector that hears of both."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from model_store.ports import held_ports
from service.errors import SettingsError
from service.settings import read_settings
from tests.gateway.conftest import alertmanager_body
from tests.service_process.conftest import HYPOCENTER, PATIENCE_S, Server, environment
from tests.telemetry.receiver import Receiver, receiving

SETTINGS = """
[own_telemetry]
export = "otlp"
endpoint = "{collector}"

[worker]
at_once = {at_once}
"""


class Gateway(Server):
    """A ``hypocenter serve`` that leaves the work to others and tells a collector of itself."""

    @property
    def source(self) -> list[str]:
        return [*super().source, "--config", str(self.store.with_name("gateway.toml"))]


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


def test_an_alert_that_another_process_answers_is_one_trace(
    collector: Receiver, case_dir: Path, tmp_path: Path
) -> None:
    for name, at_once in (("gateway", 0), ("worker", 1)):
        (tmp_path / f"{name}.toml").write_text(SETTINGS.format(collector=collector.url, at_once=at_once))
    with ExitStack() as stack:
        (port,) = stack.enter_context(held_ports(1))
        gateway = Gateway(case_dir, tmp_path / "store.sqlite", tmp_path / "serve.log", port)
        stack.callback(gateway.clear_away)
        gateway.start()
        gateway.post("/v1/alerts", alertmanager_body("cart"))
        options = ["--case", case_dir, "--store", gateway.store, "--config", tmp_path / "worker.toml"]
        worker = subprocess.Popen(
            [*HYPOCENTER, "work", *map(str, options), "--model", "rules"],
            stderr=subprocess.DEVNULL,
            env=environment() | {"OTEL_BSP_SCHEDULE_DELAY": "100"},
        )
        stack.callback(lambda: (worker.terminate(), worker.wait(PATIENCE_S)))
        collector.until("invoke_agent hypocenter", PATIENCE_S)
        spans = collector.until("POST /v1/alerts", PATIENCE_S)  # the gateway tells in its own time
        told = gateway.get("/metrics").text
    assert len({span.trace_id for span in spans}) == 1
    top, *below = [line for line in collector.tree() if line[:4].strip()]
    assert top == "POST /v1/alerts"
    assert set(below) - {"  store renew"} == {"  store accept", "  queue", "  invoke_agent hypocenter"}
    assert "hypocenter_build_info{" in told
    assert 'hypocenter_ready{check="store"} 1.0' in told


def test_a_collector_without_an_address_is_one_clear_line() -> None:
    with pytest.raises(SettingsError, match="HYPOCENTER_OWN_TELEMETRY__ENDPOINT") as refused:
        read_settings({"HYPOCENTER_OWN_TELEMETRY__ENDPOINT": "collector:4318"})
    assert "\n" not in str(refused.value)
