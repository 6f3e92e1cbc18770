import signal
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from model_store.ports import held_ports
from service.__main__ import run
from tests.gateway.conftest import alertmanager_body
from tests.service_process.conftest import HYPOCENTER, PATIENCE_S, Server, environment, servers
from tests.waiting import wait_until


class Idle(Server):
    """A server that takes alerts and works on none."""

    @property
    def source(self) -> list[str]:
        config = self.store.with_name("idle.toml")
        config.write_text("[worker]\nat_once = 0\n")
        return [*super().source, "--config", str(config)]


@pytest.fixture
def idle(case_dir: Path, tmp_path: Path) -> Iterator[Idle]:
    with servers(Idle, case_dir, tmp_path) as make:
        yield make()


@contextmanager
def worker_of(server: Server, port: int) -> Generator["subprocess.Popen[bytes]"]:
    options = ["--case", server.case, "--store", server.store, "--model", "rules"]
    told = environment() | {"HYPOCENTER_WORKER__PORT": str(port)}
    worker = subprocess.Popen([*HYPOCENTER, "work", *options], stderr=subprocess.DEVNULL, env=told)
    try:
        yield worker
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE_S) == 0


def listens(url: str) -> bool:
    try:
        httpx.get(url, timeout=PATIENCE_S)
    except httpx.TransportError:
        return False
    return True


def test_a_worker_alone_works_for_a_server_that_does_not_and_tells_how_it_is(idle: Idle) -> None:
    id_ = idle.post("/v1/alerts", alertmanager_body("cart")).json()["localization_id"]
    assert idle.get(f"/v1/localizations/{id_}?wait_s=0.5").json()["status"] == "queued"
    with held_ports(1) as (port,), worker_of(idle, port):
        assert idle.ended(id_)["status"] == "done"
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: listens(f"{url}/livez"))
        with httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
            assert client.get("/livez").status_code == 200
            assert client.get("/readyz").status_code == 200
            metrics = client.get("/metrics").text
            assert 'hypocenter_localizations_total{ranked_by="fused",status="done"' in metrics
            assert client.get("/v1/incidents").status_code == 404


def test_a_worker_alone_that_may_do_nothing_says_so(
    case_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HYPOCENTER_WORKER__AT_ONCE", "0")
    assert run(["work", "--case", str(case_dir)]) == 2
    assert "worker.at_once" in capsys.readouterr().err
