"""A sender of webhooks that costs little: bodies are made before it begins, connections are kept, answers are hardly
looked at. A process of its own, whose work is not the work of what it measures.

    python -m model_store.bench_gateway.load SPEC     # a JSON object with the fields of Spec; says a Report as JSON
"""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Literal

from model_store.bench_gateway.webhooks import lives, openings, request, storm

PATIENCE_S = 600.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Spec:
    """What is sent whither. With a ``rate`` (webhooks per second) each has its moment, and what it waits for a
    connection counts as latency; without one each connection sends its next webhook upon an answer.
    """

    port: int
    kind: Literal["lives", "openings", "storm"]
    first: int
    groups: int
    alerts: int = 0
    connections: int = 32
    rate: float = 0.0

    def bodies(self) -> Iterator[bytes]:
        """All of them, in order."""
        match self.kind:
            case "lives":
                return lives(self.first, self.groups)
            case "openings":
                return openings(self.first, self.groups)
            case "storm":
                return storm(self.first, self.groups, self.alerts)


@dataclass(frozen=True, slots=True)
class Report:
    """How it went: ``refused`` is what was not answered 202."""

    sent: int
    refused: int
    seconds: float
    p50_ms: float
    p99_ms: float
    client_cpu_s: float

    @property
    def per_s(self) -> float:
        """Acknowledgements per second."""
        return (self.sent - self.refused) / self.seconds


def sent(spec: Spec) -> Report:
    """Send it from another process and wait for its report."""
    command = [sys.executable, "-m", __name__, json.dumps(asdict(spec))]
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=PATIENCE_S)  # noqa: S603
    return Report(**json.loads(ended.stdout))


@dataclass(slots=True)
class _Run:
    """What is still to be sent, who could send it, and how long each took."""

    requests: deque[bytes]
    rate: float
    began: float = 0.0
    given: int = 0
    idle: deque["_Connection"] = field(default_factory=deque["_Connection"])
    taken_s: list[float] = field(default_factory=list[float])
    refused: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self) -> None:
        self.began = time.perf_counter()
        self.go_on()

    def go_on(self) -> None:
        """Give what is due to those that are idle."""
        while self.idle and self.requests:
            due = self.began + self.given / self.rate if self.rate else time.perf_counter()
            if due > time.perf_counter():
                asyncio.get_running_loop().call_later(due - time.perf_counter(), self.go_on)
                return
            self.given += 1
            self.idle.popleft().send(self.requests.popleft(), due)

    def answered(self, connection: "_Connection", status: bytes, asked: float) -> None:
        self.taken_s.append(time.perf_counter() - asked)
        self.refused += status != b"202"
        self.idle.append(connection)
        if len(self.taken_s) == self.given and not self.requests:
            self.over.set()
        else:
            self.go_on()


class _Connection(asyncio.Protocol):
    def __init__(self, run: _Run) -> None:
        self._run = run
        self._read = b""
        self._asked = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._run.idle.append(self)

    def send(self, whole: bytes, due: float) -> None:
        self._asked = due
        self._transport.write(whole)

    def data_received(self, data: bytes) -> None:
        self._read += data
        head = self._read.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(self._read, 0, head)
        if length is not None and len(self._read) >= head + 4 + int(length[1]):
            status, self._read = self._read[9:12], b""
            self._run.answered(self, status, self._asked)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._run.over.is_set():
            raise SystemExit(f"the server closed a connection: {exc}")


async def _send(spec: Spec) -> Report:
    run = _Run(deque(request(body, spec.port) for body in spec.bodies()), spec.rate)
    count, loop = len(run.requests), asyncio.get_running_loop()
    for _ in range(spec.connections):
        await loop.create_connection(lambda: _Connection(run), "127.0.0.1", spec.port)
    cpu = time.process_time()
    run.begin()
    await run.over.wait()
    seconds, cpu = time.perf_counter() - run.began, time.process_time() - cpu
    ordered = sorted(run.taken_s)
    p50_s, p99_s = ordered[count // 2], ordered[count * 99 // 100]
    return Report(count, run.refused, seconds, 1000 * p50_s, 1000 * p99_s, cpu)


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(_send(Spec(**json.loads(sys.argv[1])))))))
