"""How fast the embedded store takes spans in, and how fast it answers."""

import asyncio
import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from model_store.bench import peak_rss_mb
from service.domain.window import Window
from service.stores.embedded.intake import Intake, Kind, Sent
from service.stores.embedded.query import EmbeddedTelemetry

SERVICES = 50
A_REQUEST = 512
"""Spans in a request: what an SDK's batch processor sends."""

AT_ONCE = 8
"""Requests on their way at the same time."""

SPAN_OF_TIME = timedelta(hours=1)
ASKED = timedelta(minutes=10)
QUESTIONS = 7
NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class StoreCost:
    """Spans, seconds of taking them in (each acknowledged only when it was flushed to the disk) by the clock and by the
    processor, bytes on the disk, rows and seconds (ascending) of the same question, asked again and again; the most
    memory ever held, in MiB.
    """

    spans: int
    intake_s: float
    intake_cpu_s: float
    disk_bytes: int
    rows: int
    question_s: tuple[float, ...]
    peak_mb: float

    def lines(self) -> Iterator[str]:
        """The figures."""
        yield f"ingest: {self.spans} spans in {self.intake_s:.1f} s: {self.spans / self.intake_s:,.0f} spans/s"
        yield f"ingest: {self.intake_cpu_s:.1f} CPU-seconds: {self.spans / self.intake_cpu_s:,.0f} spans each"
        yield f"disk: {self.disk_bytes / 1e6:.0f} MB, {self.disk_bytes / self.spans:.0f} bytes a span"
        middle, worst = statistics.median(self.question_s), self.question_s[-1]
        minutes = ASKED / timedelta(minutes=1)
        yield f"query: {minutes:.0f} minutes, {self.rows} rows: median {middle:.3f} s, worst {worst:.3f} s"
        yield f"peak memory: {self.peak_mb:.0f} MiB"


def measure(directory: Path, spans: int) -> StoreCost:
    """Take so many spans of one hour into a store in that directory, then ask for ten minutes of them."""
    end = datetime.now(UTC)
    seconds, cpu_s = asyncio.run(_taken(directory, end, spans))
    asked_start = end - SPAN_OF_TIME / 2
    rows, asked = asyncio.run(_asked(directory, Window(asked_start, asked_start + ASKED)))
    size = sum(file.stat().st_size for file in directory.rglob("*.parquet"))
    return StoreCost(spans, seconds, cpu_s, size, rows, asked, peak_rss_mb())


async def _taken(directory: Path, end: datetime, spans: int) -> tuple[float, float]:
    """Seconds of taking them in, by the clock and by the processor; those of making them do not count."""
    intake, watch = Intake(directory), _Watch()
    bodies = _bodies(end - SPAN_OF_TIME, spans)
    while several := [body for _, body in zip(range(AT_ONCE), bodies, strict=False)]:
        with watch:
            await asyncio.gather(*(_take(intake, body) for body in several))
    with watch:
        await intake.close()
    return watch.wall_s, watch.cpu_s


class _Watch:
    """Adds up seconds, by the clock and by the processor."""

    wall_s = cpu_s = 0.0

    def __enter__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall_s += time.perf_counter() - self._wall
        self.cpu_s += time.process_time() - self._cpu


async def _take(intake: Intake, body: bytes) -> None:
    with intake.room.hold() as hold:
        hold.grow(len(body))
        await intake.take(Sent(Kind.TRACES, body), hold)


async def _asked(directory: Path, window: Window) -> tuple[int, tuple[float, ...]]:
    store, rows, seconds = EmbeddedTelemetry(directory), 0, list[float]()
    for _ in range(QUESTIONS):
        started = time.perf_counter()
        rows = (await store.spans(window)).num_rows
        seconds.append(time.perf_counter() - started)
    return rows, tuple(sorted(seconds))


def _bodies(start: datetime, spans: int) -> Iterator[bytes]:
    """Requests in the order of time, each of one pod, in traces of eight spans."""
    rng = random.Random(1)  # noqa: S311
    first_ns = int(start.timestamp()) * NANOSECONDS
    step_ns = int(SPAN_OF_TIME.total_seconds()) * NANOSECONDS // spans
    for done in range(0, spans, A_REQUEST):
        yield _body(rng, first_ns + done * step_ns, min(A_REQUEST, spans - done), step_ns)


def _body(rng: random.Random, first_ns: int, spans: int, step_ns: int) -> bytes:
    request = ExportTraceServiceRequest()
    sent = request.resource_spans.add()
    name = f"service-{rng.randrange(SERVICES)}"
    for key, value in {"service.name": name, "k8s.pod.name": f"{name}-6d4cf56db6-x2x7p", "k8s.node.name": "n1"}.items():
        sent.resource.attributes.add(key=key).value.string_value = value
    into = sent.scope_spans.add().spans
    trace_id = parent = b""
    for number in range(spans):
        if number % 8 == 0:
            trace_id, parent = rng.randbytes(16), b""
        start_ns = first_ns + number * step_ns
        span = into.add(trace_id=trace_id, span_id=rng.randbytes(8), parent_span_id=parent, kind=2)
        span.name = f"GET /api/v1/resource/{number % 20}"
        span.start_time_unix_nano, span.end_time_unix_nano = start_ns, start_ns + rng.randrange(1_000_000, 90_000_000)
        span.attributes.add(key="http.request.method").value.string_value = "GET"
        span.attributes.add(key="http.response.status_code").value.int_value = 200
        span.attributes.add(key="url.path").value.string_value = f"/api/v1/resource/{number}"
        parent = span.span_id
    return request.SerializeToString()
