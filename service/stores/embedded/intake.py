"""The way in: OTLP requests to rows on the disk, off the event loop, bounded in bytes."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import assert_never

import pyarrow as pa
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from service.errors import StoreError
from service.stores.embedded.decoded import Acceptable, Decoded
from service.stores.embedded.lane import SEAL_AFTER_S
from service.stores.embedded.logs import decode_logs
from service.stores.embedded.metrics import MetricDecoder
from service.stores.embedded.retention import Retention
from service.stores.embedded.room import Hold, Room
from service.stores.embedded.spans import decode_spans
from service.stores.embedded.wire import answer_bytes, message, unpacked
from service.stores.embedded.writer import Writer

WRITE_TIMEOUT_S = 10.0
ROOM_BYTES = 64_000_000


class Kind(StrEnum):
    """What OTLP sends, as its paths name it."""

    TRACES = "traces"
    LOGS = "logs"
    METRICS = "metrics"


@dataclass(frozen=True, slots=True)
class Sent:
    """A request's body and how it was sent."""

    kind: Kind
    body: bytes
    as_json: bool = False
    packed: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """What to answer, in the encoding of the request, and how many rows were kept and records rejected."""

    answer: bytes
    rows: int
    rejected: int


class Intake:
    """Takes OTLP in. A request is acknowledged when its rows are in a journal that is flushed to the disk, where every
    reader sees them: what was acknowledged survives the death of the process and a power cut. A request whose answer
    was lost may be sent again, and is then kept twice: at least once, as OTLP has it.

    One thread decodes, one writes. Raises `StoreError` if the directory cannot be used or another process writes there.
    """

    def __init__(
        self,
        root: Path,
        retention: Retention | None = None,
        *,
        body_limit_bytes: int = 8_000_000,
        room: Room | None = None,
        seal_after_s: float = SEAL_AFTER_S,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._retention = retention or Retention()
        self._clock = clock
        self._writer = Writer(root, self._retention, seal_after_s, clock)
        self._decoder = ThreadPoolExecutor(1, thread_name_prefix="embedded-decoder")
        self._metrics = MetricDecoder()
        self.body_limit_bytes = body_limit_bytes
        self.room = room or Room(ROOM_BYTES)

    @property
    def trouble(self) -> str:
        """What the disk said to the last write; "" if it took it."""
        return self._writer.trouble

    async def take(self, sent: Sent, hold: Hold) -> Receipt:
        """Return once the rows are safe. Raises `MalformedError`, `OversizeError`, `FullError`, and `StoreError` if
        they could not be written, or not in time (they may be yet).
        """
        try:
            decoding = self._decoder.submit(self._decode, sent, hold)
        except RuntimeError:
            raise StoreError("embedded store: is closed") from None
        decoded = await asyncio.wrap_future(decoding)
        await self._written(decoded.table, sent.kind)
        answer = answer_bytes(_answer(sent.kind, decoded), as_json=sent.as_json)
        return Receipt(answer, decoded.table.num_rows, decoded.rejected)

    async def tidy(self) -> None:
        """Seal and expire, which is due also while nothing comes in."""
        await asyncio.wrap_future(self._writer.tidy())

    async def close(self) -> None:
        """Finish what is under way, seal everything."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._decoder.shutdown()
        self._writer.close()

    def _decode(self, sent: Sent, hold: Hold) -> Decoded:
        body = sent.body
        if sent.packed:
            body = unpacked(body, self.body_limit_bytes)
            hold.grow(len(body))
        times = Acceptable.at(self._clock(), self._retention.max_age)
        match sent.kind:
            case Kind.TRACES:
                spans, refused = message(ExportTraceServiceRequest, body, as_json=sent.as_json)
                return decode_spans(spans, times).with_refused(refused)
            case Kind.LOGS:
                logs, refused = message(ExportLogsServiceRequest, body, as_json=sent.as_json)
                return decode_logs(logs, times).with_refused(refused)
            case Kind.METRICS:
                metrics, refused = message(ExportMetricsServiceRequest, body, as_json=sent.as_json)
                return self._metrics.decode(metrics, times).with_refused(refused)
            case _:
                assert_never(sent.kind)

    async def _written(self, table: pa.Table, kind: Kind) -> None:
        writing: Future[None] = self._writer.append(TABLE_OF[kind], table)
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await asyncio.shield(asyncio.wrap_future(writing))
        except TimeoutError:
            raise StoreError(f"embedded store: not written within {WRITE_TIMEOUT_S:g} s") from None


TABLE_OF = {Kind.TRACES: "spans", Kind.LOGS: "logs", Kind.METRICS: "metrics"}


def _answer(kind: Kind, decoded: Decoded) -> Message:
    """OTLP's response; it tells of a partial success only where something was rejected."""
    n, why = decoded.rejected, decoded.why
    match kind:
        case Kind.TRACES:
            spans = ExportTracePartialSuccess(rejected_spans=n, error_message=why) if n else None
            return ExportTraceServiceResponse(partial_success=spans)
        case Kind.LOGS:
            records = ExportLogsPartialSuccess(rejected_log_records=n, error_message=why) if n else None
            return ExportLogsServiceResponse(partial_success=records)
        case Kind.METRICS:
            points = ExportMetricsPartialSuccess(rejected_data_points=n, error_message=why) if n else None
            return ExportMetricsServiceResponse(partial_success=points)
        case _:
            assert_never(kind)
