import json
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier

from tests.gateway.conftest import alertmanager_body
from tests.service_process.conftest import PATIENCE_S, Server, servers
from tests.waiting import wait_until
from tests.webhook_receiver import receiving

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

pytestmark = pytest.mark.slow


@dataclass
class Receiver:
    """Takes webhooks, and acknowledges none before it is told to."""

    url: str = ""
    ids: list[str] = field(default_factory=list[str])
    bodies: list[Any] = field(default_factory=list[Any])
    willing: Event = field(default_factory=Event)

    def take(self, body: bytes, headers: Mapping[str, str]) -> None:
        self.bodies.append(Verifier(SECRET).verify(body, dict(headers)))
        self.ids.append(headers["webhook-id"])
        self.willing.wait(PATIENCE_S)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    with receiving(made.take) as made.url:
        yield made
        made.willing.set()


class Telling(Server):
    """A server with a settings' file beside its store."""

    @property
    def source(self) -> list[str]:
        return [*super().source, "--config", str(self.store.with_name("hypocenter.toml"))]


@pytest.fixture
def server(case_dir: Path, tmp_path: Path, receiver: Receiver) -> Iterator[Server]:
    (tmp_path / "secret").write_text(SECRET)
    lines = ["[notify.portal]", 'kind = "webhook"', f'url = "{receiver.url}"', "total_s = 1"]
    (tmp_path / "hypocenter.toml").write_text("\n".join([*lines, f'secret_files = ["{tmp_path / "secret"}"]']))
    with servers(Telling, case_dir, tmp_path) as make:
        yield make()


def deliveries(server: Server, localization: str) -> list[dict[str, Any]]:
    return server.get(f"/v1/localizations/{localization}/deliveries").json()["deliveries"]


def test_an_answer_whose_sender_is_killed_before_it_is_acknowledged_is_sent_again_under_the_same_id(
    server: Server, receiver: Receiver
) -> None:
    localization = server.post("/v1/alerts", alertmanager_body("cart")).json()["localization_id"]
    wait_until(lambda: bool(receiver.ids), server.log.read_text)
    server.end(signal.SIGKILL)
    receiver.willing.set()
    server.start()
    wait_until(
        lambda: [told["status"] for told in deliveries(server, localization)] == ["delivered"], server.log.read_text
    )
    assert len(receiver.ids) >= 2
    assert len(set(receiver.ids)) == 1
    assert {body["data"]["localization"]["id"] for body in receiver.bodies} == {localization}
    metrics = server.get("/metrics").text
    assert 'hypocenter_deliveries_total{outcome="delivered",target="portal"} 1.0' in metrics
    assert server.end(signal.SIGTERM) == 0
    assert SECRET.removeprefix("whsec_") not in server.log.read_text()
    assert "Traceback" not in json.dumps(server.log.read_text())
