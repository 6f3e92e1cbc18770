"""A real Prometheus with a past, where one is installed."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Generator, Sequence
from pathlib import Path

import httpx

from model_store.ports import held_ports

PATIENCE_S = 90


def installed() -> bool:
    """Whether there is a Prometheus here, and what its past is made with."""
    return all(shutil.which(name) for name in ("prometheus", "promtool"))


@contextlib.contextmanager
def running(directory: Path, openmetrics: str, options: Sequence[str] = (), config: str = "{}") -> Generator[str]:
    """A Prometheus in that directory that knows this past, and what it is told to scrape; its address.

    Raises `TimeoutError`.
    """
    (directory / "history").write_text(openmetrics)
    (directory / "prometheus.yml").write_text(config)
    blocks = ["tsdb", "create-blocks-from", "openmetrics", str(directory / "history"), str(directory / "data")]
    making = ["promtool", *blocks]
    subprocess.run(making, capture_output=True, timeout=PATIENCE_S, check=True)  # noqa: S603
    files = [f"--config.file={directory / 'prometheus.yml'}", f"--storage.tsdb.path={directory / 'data'}"]
    with held_ports(1) as (port,):
        address = f"127.0.0.1:{port}"
        command = ["prometheus", *files, f"--web.listen-address={address}", *options]
        with started(command, directory / "log", f"http://{address}/-/ready"):
            yield f"http://{address}"


@contextlib.contextmanager
def started(command: Sequence[str], log: Path, ready: str) -> Generator[None]:
    """A server that answers at the address ``ready``, until the end. Raises `TimeoutError`."""
    with log.open("w") as told:
        process = subprocess.Popen(command, stderr=told, stdout=told)  # noqa: S603
        try:
            _wait_for(ready)
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def _wait_for(url: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, trust_env=False).is_success:
                return
        time.sleep(0.1)
    raise TimeoutError(url)
