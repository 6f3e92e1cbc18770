"""An installation of hypocenter in processes of its own, each of which can be killed and started again."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import httpx

from model_store.ports import held_ports
from tests.conftest import REPOSITORY
from tests.redis_servers import RealServer
from tests.service_process.conftest import HYPOCENTER, environment
from tests.waiting import LIMIT_S, wait_until

CASE = REPOSITORY / "tests" / "cases" / "mealrun" / "mealrun-02"
COMPONENT = "menu-bff"
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

SETTINGS = """
store = "{store}"
case = "{case}"
[model]
name = "tiny"
base_url = "http://127.0.0.1:{model_port}/v1"
timeout_s = 5
failures = 2
rest_s = 1
[worker]
at_once = 2
lease_s = 10
drain_s = 5
[gateway]
requests_per_s = 0
[notify.portal]
kind = "webhook"
url = "{told}"
secret_files = ["{secret}"]
"""


class Killable(Protocol):
    """Something whose death is part of the drill."""

    def kill(self) -> None:
        """As the machine's death would."""
        ...

    def start(self) -> None:
        """Begin, with what there was before."""
        ...


@dataclass(slots=True)
class Process:
    """One process of ours; its standard error goes on in one file over all its lives."""

    argv: Sequence[str]
    log: Path
    running: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it and do not wait."""
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(self.argv, stderr=log, env=environment(), cwd=REPOSITORY)

    def kill(self) -> None:
        """SIGKILL, at once."""
        self.end(signal.SIGKILL)

    def end(self, number: signal.Signals) -> int:
        """Send the signal and return the exit code."""
        assert self.running is not None
        self.running.send_signal(number)
        return self.running.wait(LIMIT_S)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.running is not None and self.running.poll() is None


@dataclass(slots=True)
class Site:
    """Gateways, workers, a model server and what stores for them. Gateways work too, or leave it to the workers."""

    directory: Path
    told: str
    gateways: int = 1
    workers: int = 1
    redis: RealServer | None = None
    urls: list[str] = field(default_factory=list[str])
    parts: dict[str, Process] = field(default_factory=dict[str, Process])
    _held: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Start everything and wait until all gateways are ready."""
        model_port, *ports = self._held.enter_context(held_ports(1 + self.gateways))
        self._add("model", [sys.executable, "-m", "tests.drills.model_server", str(model_port), COMPONENT])
        config = self._configured(model_port)
        for n, port in enumerate(ports):
            self.urls.append(f"http://127.0.0.1:{port}")
            self._add(f"gateway-{n}", [*HYPOCENTER, "serve", "--config", str(config), "--port", str(port)])
        for n in range(self.workers):
            self._add(f"worker-{n}", [*HYPOCENTER, "work", "--config", str(config)])
        for part in self.parts.values():
            part.start()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until all gateways are."""
        for url in self.urls:
            wait_until(partial(is_ready, url), lambda url=url: f"{url} is not ready\n{self.logs()}")

    @property
    def victims(self) -> dict[str, Killable]:
        """Everything that may die, by name."""
        return {**self.parts, **({"redis": self.redis} if self.redis else {})}

    @property
    def ours(self) -> list[Process]:
        """The gateways and workers."""
        return [part for name, part in self.parts.items() if name != "model"]

    def clear_away(self) -> None:
        """Leave nothing running."""
        for part in self.parts.values():
            if part.alive:
                part.kill()
        self._held.close()

    def logs(self) -> str:
        """The end of what everybody said."""
        return "\n".join(f"{name}: {part.log.read_text()[-2000:]}" for name, part in self.parts.items())

    def _add(self, name: str, argv: Sequence[str]) -> None:
        self.parts[name] = Process(argv, self.directory / f"{name}.log")

    def _configured(self, model_port: int) -> Path:
        secret, config = self.directory / "secret", self.directory / "hypocenter.toml"
        secret.write_text(SECRET)
        store = self.redis.url if self.redis else self.directory / "store.sqlite"
        settings = SETTINGS.format(store=store, case=CASE, model_port=model_port, told=self.told, secret=secret)
        config.write_text(settings)
        return config


def is_ready(url: str) -> bool:
    """Whether a gateway says that it can take work."""
    try:
        return httpx.get(f"{url}/readyz", timeout=LIMIT_S).status_code == 200
    except httpx.TransportError:
        return False
