"""What is measured, each in a process of its own: the gateway on a file or on a Redis, workers, the bare route."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import httpx

from model_store.ports import held_ports

PATIENCE_S = 120.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")

# Nothing is refused for coming too fast, and a gateway that only takes in is measured by that alone.
SETTINGS = """
store = "{store}"
case = "{case}"
log_level = "warning"
[model]
name = "{model}"
[gateway]
requests_per_s = 0
[worker]
at_once = {at_once}
"""


@dataclass(frozen=True, slots=True)
class Running:
    """A process that is measured, and the port that it serves, if it does."""

    pid: int
    port: int = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def rss_mb(self) -> float:
        """What of it is in memory."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))

    @property
    def cpu_s(self) -> float:
        """Seconds of a processor that it has used."""
        after_name = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / TICKS_PER_S


@contextlib.contextmanager
def gateway(directory: Path, case: Path, store: str = "", model: str = "none") -> Generator[Running]:
    """A gateway that leaves the work to workers; without a ``store``, over a file in the directory."""
    config, log = directory / "gateway.toml", directory / "gateway.log"
    config.write_text(_settings(directory, case, store, model, at_once=0))
    with held_ports(1) as (port,):
        command = [sys.executable, "-m", "service", "serve", "--config", str(config), "--port", str(port)]
        with _running(command, log) as pid:
            yield _ready(Running(pid, port), log)


@contextlib.contextmanager
def workers(directory: Path, case: Path, count: int, store: str = "", model: str = "none") -> Generator[list[Running]]:
    """So many workers over the same store."""
    config, log = directory / "worker.toml", directory / "worker.log"
    config.write_text(_settings(directory, case, store, model, at_once=2))
    command = [sys.executable, "-m", "service", "work", "--config", str(config)]
    with contextlib.ExitStack() as stack:
        yield [Running(stack.enter_context(_running(command, log))) for _ in range(count)]


@contextlib.contextmanager
def bare_route(directory: Path) -> Generator[Running]:
    """The route that only parses."""
    with held_ports(1) as (port,):
        command = [sys.executable, "-m", "model_store.bench_gateway.bare", str(port)]
        with _running(command, directory / "bare.log") as pid:
            yield _ready(Running(pid, port), directory / "bare.log")


@contextlib.contextmanager
def redis_server(directory: Path) -> Generator[str]:
    """The address of a Redis that flushes every write; "" where there is none."""
    program = shutil.which("redis-server")
    if program is None:
        yield ""
        return
    durable = ["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction", "--save", ""]
    with held_ports(1) as (port,):
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory), *durable]
        with _running(command, None):
            _until_taken(port)
            yield f"redis://127.0.0.1:{port}"


def _settings(directory: Path, case: Path, store: str, model: str, at_once: int) -> str:
    store = store or str(directory / "store.sqlite")
    return SETTINGS.format(store=store, case=case, model=model, at_once=at_once)


@contextlib.contextmanager
def _running(command: Sequence[str], log: Path | None) -> Generator[int]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HYPOCENTER_")}
    with contextlib.ExitStack() as stack:
        stack.enter_context(_ended_when_told())
        told = subprocess.DEVNULL if log is None else stack.enter_context(log.open("ab"))
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=told, env=kept)  # noqa: S603
        try:
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_S / 4)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def _ended_when_told() -> Generator[None]:
    """SIGTERM ends this process as an exception would: by way of all that has to be stopped before."""
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is _leave:
            signal.signal(signal.SIGTERM, before)


def _leave(number: int, _frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # told once more, it would leave what it is stopping
    sys.exit(128 + number)


def _ready(server: Running, log: Path) -> Running:
    until = time.monotonic() + PATIENCE_S
    while not _answers(server):
        if time.monotonic() > until:
            raise TimeoutError(f"not ready within {PATIENCE_S:g} s: {log.read_text()[-2000:]}")
        time.sleep(0.01)
    return server


def _answers(server: Running) -> bool:
    try:
        return httpx.get(f"{server.url}/readyz", timeout=PATIENCE_S).status_code == 200
    except httpx.TransportError:
        return False


def _until_taken(port: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if time.monotonic() > until:
            raise TimeoutError(f"nobody listens on port {port}")
        time.sleep(0.01)
