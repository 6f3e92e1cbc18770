"""What a service tells of itself: spans over OTLP, metrics for Prometheus, JSON log lines with trace ids."""

import json
import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import Counter, Gauge, Histogram

_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5)

SERVED = Histogram("http_server_request_duration_seconds", "Time to answer.", ["operation", "status"], buckets=_BUCKETS)
CALLED = Histogram("http_client_request_duration_seconds", "Time that a call took.", ["peer"], buckets=_BUCKETS)
CALL_FAILURES = Counter("http_client_request_failures", "Calls that failed, by what they called.", ["peer"])
LOOP_LAG = Gauge("event_loop_lag_seconds", "How late the event loop was, the worst since the last scrape.")
POOL_USED = Gauge("db_client_connections_used", "Connections of the pool that are lent out.")
POOL_WAITING = Gauge("db_client_connections_pending_requests", "Requests that wait for a connection of the pool.")
STREAM_LAG = Gauge("messaging_consumer_lag_messages", "Messages that were not yet consumed.")

MADE_HERE = "trouble.py"

log = logging.getLogger("shop")


INSTRUMENTED = {"opentelemetry.instrumentation.psycopg": "postgres", "opentelemetry.instrumentation.redis": "redis"}
"""Whose spans are calls to a store, and of which kind."""


class _Stores(SpanProcessor):
    """Names the store on spans of calls to it, by its kind: all of them listen on one address here."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        scope = span.instrumentation_scope
        name = self._names.get(INSTRUMENTED.get(scope.name if scope else "", ""))
        if name:
            span.set_attribute("peer.service", name)


def start_tracing(
    service: str, pod: str, node: str, version: str, collector: str, stores: Mapping[str, str] | None = None
) -> None:
    """Sends spans of this process to the collector, and instruments its clients; ``stores`` are named by their kind."""
    attributes = {
        "service.name": service,
        "service.instance.id": pod,
        "service.version": version,
        "k8s.pod.name": pod,
        "k8s.node.name": node,
    }
    provider = TracerProvider(resource=Resource(attributes))
    provider.add_span_processor(_Stores(stores or {}))
    exporter = OTLPSpanExporter(endpoint=f"{collector}/v1/traces", timeout=3)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
    trace.set_tracer_provider(provider)
    HTTPXClientInstrumentor().instrument()
    PsycopgInstrumentor().instrument(skip_dep_check=True)
    RedisInstrumentor().instrument()


def stop_tracing() -> None:
    """Sends what is left."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown()


def start_logging() -> None:
    """One JSON object a line on standard output; only our own lines, and warnings of others."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # a collector that is gone is no one's incident
    log.setLevel(logging.INFO)


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        context = trace.get_current_span().get_span_context()
        body = record.getMessage()
        if record.exc_info and record.exc_info[1]:
            body = f"{body}\n{stack_trace(record.exc_info[1])}"
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "severity": record.levelname,
            "body": body,
            "trace_id": f"{context.trace_id:032x}" if context.is_valid else "",
            "span_id": f"{context.span_id:016x}" if context.is_valid else "",
        }
        return json.dumps(line, ensure_ascii=False)


def stack_trace(error: BaseException) -> str:
    """Where an exception came from: files of the program by name, without where they lie on this machine.

    What makes the trouble is left out: a real bug does not say that it was put there.
    """
    frames = traceback.extract_tb(error.__traceback__)
    told = [frame for frame in frames if Path(frame.filename).name != MADE_HERE]
    lines = [f'  File "{Path(frame.filename).name}", line {frame.lineno}, in {frame.name}' for frame in told]
    return "\n".join(["Traceback (most recent call last):", *lines, f"{type(error).__name__}: {error}"])
