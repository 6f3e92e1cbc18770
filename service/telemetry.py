"""What hypocenter tells of itself: JSON log lines, Prometheus metrics, spans. Nothing here is shared by two services
of one process but the standard library's logging, which `log_to` points at a stream.
"""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

NAME = "hypocenter"

HTTP_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
ANSWER_BUCKETS_S = (0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 30, 60, 120)


class JsonLines(logging.Formatter):
    """A log record as one line of JSON; what it was given as ``extra={"fields": {…}}`` stands beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the message holds."""
        fields: Mapping[str, object] = getattr(record, "fields", {})
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_to(stream: TextIO, level: str = "info") -> None:
    """Write hypocenter's and the server's log lines to a stream, from now on."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    for name in (NAME, "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(level.upper())
    logging.getLogger("uvicorn.access").disabled = True  # the metrics count requests


def logger(part: str) -> logging.Logger:
    """The logger of a part of hypocenter."""
    return logging.getLogger(f"{NAME}.{part}")


def tracer(exporter: SpanExporter | None = None) -> Tracer:
    """Makes spans and hands them to the exporter; without one they go nowhere."""
    provider = TracerProvider(resource=Resource.create({"service.name": NAME}), shutdown_on_exit=False)
    if exporter is not None:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer(NAME)


class Meters:
    """The metrics of one service, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "hypocenter_http_requests", "HTTP requests answered", ["method", "route", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "hypocenter_http_request_duration_seconds",
            "Time until a response began",
            ["method", "route"],
            buckets=HTTP_BUCKETS_S,
            registry=self.registry,
        )
        self.alerts = Counter("hypocenter_alerts", "Alerts acknowledged", ["status"], registry=self.registry)
        self.ended = Counter(
            "hypocenter_localizations", "Localizations ended", ["status", "stop"], registry=self.registry
        )
        self.seconds = Histogram(
            "hypocenter_localization_duration_seconds",
            "Time from taking a localization to its answer",
            buckets=ANSWER_BUCKETS_S,
            registry=self.registry,
        )
        self.failures = Counter(
            "hypocenter_localization_failures", "Attempts at a localization that raised", registry=self.registry
        )
        self.steps = Counter("hypocenter_localization_steps", "Moves that models made", registry=self.registry)
        self.telemetry_rows = Counter(
            "hypocenter_telemetry_rows",
            "Rows of telemetry taken into the embedded store",
            ["kind"],
            registry=self.registry,
        )
        self.telemetry_rejected = Counter(
            "hypocenter_telemetry_rejected",
            "Records of telemetry that the embedded store did not take",
            ["kind"],
            registry=self.registry,
        )
        self.jobs = Gauge("hypocenter_jobs", "Localizations in the store by status", ["status"], registry=self.registry)
        self.oldest_s = Gauge(
            "hypocenter_queue_age_seconds", "How long the oldest queued localization has waited", registry=self.registry
        )

    def exposition(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self.registry)
