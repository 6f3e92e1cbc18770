"""What hypocenter tells of itself: log lines, Prometheus metrics, spans. Nothing here is shared by two services of one
process but the standard library's logging, which `log_to` points at a stream.
"""

from service.telemetry.logs import Format, log_to, logger
from service.telemetry.meters import Meters
from service.telemetry.name import NAME, ours
from service.telemetry.spans import calling, continued, span, traceparent
from service.telemetry.tracing import exporting, tracer

__all__ = [
    "NAME",
    "Format",
    "Meters",
    "calling",
    "continued",
    "exporting",
    "log_to",
    "logger",
    "ours",
    "span",
    "traceparent",
    "tracer",
]
