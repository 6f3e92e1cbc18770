"""A vLLM process: started as deploy/vllm starts it, waited for, asked for its figures, stopped."""

import os
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from model_store.ports import held_ports
from tests.conftest import REPOSITORY
from tests.waiting import wait_until

START_LIMIT_S: Final = 20 * 60
STOP_LIMIT_S: Final = 60
SERVE: Final = REPOSITORY / "deploy" / "vllm" / "serve.sh"
FOR_PROCESSORS: Final = ("--enforce-eager", "--max-num-seqs", "16")
ENVIRONMENT: Final = {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # the machine is shared
    "VLLM_NO_USAGE_STATS": "1",
}


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers."""

    url: str
    start_s: float

    def counter(self, name: str) -> float:
        """A counter of its metrics, over all labels."""
        families = text_string_to_metric_families(httpx.get(f"{self.url}/metrics", timeout=30).text)
        found = [sample.value for family in families for sample in family.samples if sample.name == f"{name}_total"]
        assert found, f"vLLM counts no {name}"
        return sum(found)


@contextmanager
def serving(python: Path, directory: Path, log: Path) -> Generator[Served]:
    """vLLM with a model's directory on a port of this machine, for as long as the block lasts."""
    environment, started = {**os.environ, **ENVIRONMENT, "PYTHON": str(python)}, time.monotonic()
    with held_ports(1) as (port,), log.open("wb") as out:
        command = [str(SERVE), str(directory), "--host", "127.0.0.1", "--port", str(port), *FOR_PROCESSORS]
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out, start_new_session=True)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: _is_up(process, url, log), lambda: _end_of(log), limit_s=START_LIMIT_S)
            yield Served(url, time.monotonic() - started)
        finally:
            _stop(process)


def _is_up(process: subprocess.Popen[bytes], url: str, log: Path) -> bool:
    assert process.poll() is None, f"vLLM ended:\n{_end_of(log)}"
    try:
        return httpx.get(f"{url}/health", timeout=10).is_success
    except httpx.TransportError:
        return False


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-3000:]


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end; then end what is left of its own session: the engine is a process of its own."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_LIMIT_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_LIMIT_S)
