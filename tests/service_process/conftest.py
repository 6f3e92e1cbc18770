import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from model_store.ports import held_ports
from tests.waiting import LIMIT_S, wait_until

PATIENCE_S = LIMIT_S
HYPOCENTER = [sys.executable, "-m", "service"]


UNHURRIED = {"HYPOCENTER_BUDGET__DEADLINE_S": "3600", "HYPOCENTER_BUDGET__TELEMETRY_TIMEOUT_S": str(LIMIT_S)}
"""However slow the machine is, an answer is what it would be on a fast one."""


def environment() -> dict[str, str]:
    """This process's environment without settings of hypocenter, which would change what is tested."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HYPOCENTER_")} | UNHURRIED


@dataclass
class Server:
    """A ``hypocenter serve`` of its own process, which can be killed and started again on the same store."""

    case: Path
    store: Path
    log: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None
    model: str = "rules"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def source(self) -> list[str]:
        """Where telemetry comes from, as options."""
        return ["--case", str(self.case)]

    def start(self) -> None:
        options = [*self.source, "--store", self.store, "--port", str(self.port), "--model", self.model]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*HYPOCENTER, "serve", *options], stderr=log, env=environment())
        wait_until(self._is_up, self.log.read_text)

    def end(self, number: signal.Signals) -> int:
        """Send the signal and return the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def clear_away(self) -> None:
        """Leave nothing running."""
        if self.process is not None and self.process.poll() is None:
            self.end(signal.SIGKILL)

    def post(self, path: str, body: Any) -> httpx.Response:
        return httpx.post(f"{self.url}{path}", json=body, timeout=PATIENCE_S)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", timeout=PATIENCE_S)

    def ended(self, id_: str) -> dict[str, Any]:
        """The localization once it has ended."""
        state: dict[str, Any] = {}

        def has_ended() -> bool:
            state.update(self.get(f"/v1/localizations/{id_}?wait_s=60").json())
            return state["status"] not in ("queued", "running")

        wait_until(has_ended, lambda: f"{state}\n{self.log.read_text()}")
        return state

    def _is_up(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.get("/livez").status_code == 200
        except httpx.TransportError:
            return False


AServer = TypeVar("AServer", bound=Server)


@contextmanager
def servers(kind: type[AServer], case: Path, directory: Path) -> Generator[Callable[[], AServer]]:
    """Makes servers of a kind over one store in that directory; whatever still runs at the end is killed."""
    with ExitStack() as stack:

        def make() -> AServer:
            (port,) = stack.enter_context(held_ports(1))
            made = kind(case, directory / "store.sqlite", directory / "serve.log", port)
            stack.callback(made.clear_away)
            made.start()
            return made

        yield make


@pytest.fixture
def make_server(case_dir: Path, tmp_path: Path) -> Iterator[Callable[[], Server]]:
    """Makes servers of one synthetic case and one store."""
    with servers(Server, case_dir, tmp_path) as make:
        yield make
