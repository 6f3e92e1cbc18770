from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from service.ports import LOGS
from service.stores.embedded.decoded import Acceptable, Decoded, from_nanoseconds, kept_rows
from service.stores.embedded.origin import Origin, origin_of, plain_map, text_of
from service.telemetry import NAME

BODY_LENGTH = 16_000
SEVERITIES = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
MESSAGE_KEYS = ("message", "msg", "log", "body")
"""Where a log line that was parsed into a map keeps its text."""

Columns = dict[str, list[Any]]


def decode_logs(request: ExportLogsServiceRequest, times: Acceptable) -> Decoded:
    """Rows of `LOGS`. A record's time is when it happened, else when it was observed, else when it came; one of a time
    that is not acceptable is rejected. hypocenter's own records are taken and not kept.
    """
    columns: Columns = {name: [] for name in LOGS.names}
    for sent in request.resource_logs:
        origin = origin_of(sent.resource)
        if origin.service != NAME:
            for scope in sent.scope_logs:
                for record in scope.log_records:
                    _add(columns, record, origin, times.now_us)
    moments = from_nanoseconds(columns["time"])
    checks = [(times.among(moments), "a record's time is older than what is kept, or in the future")]
    return kept_rows({**columns, "time": moments}, LOGS, checks, len(moments))


def _add(columns: Columns, record: LogRecord, origin: Origin, now_us: int) -> None:
    columns["time"].append(record.time_unix_nano or record.observed_time_unix_nano or now_us * 1000)
    columns["service"].append(origin.service)
    columns["pod"].append(origin.pod)
    columns["node"].append(origin.node)
    columns["severity"].append(_severity(record))
    columns["body"].append(_body(record)[:BODY_LENGTH])
    columns["trace_id"].append(_id(record.trace_id, 16))
    columns["span_id"].append(_id(record.span_id, 8))


def _severity(record: LogRecord) -> str:
    """The number's name, of which there are six; where only a text was given, that."""
    if 1 <= record.severity_number <= 24:
        return SEVERITIES[(record.severity_number - 1) // 4]
    return record.severity_text[:20].upper()


def _body(record: LogRecord) -> str:
    """The line, and the exception that came with it if the line does not tell."""
    attributes = plain_map(record.attributes) if record.attributes else {}
    line = _line(record.body) or _text(attributes, ("message",)) or record.event_name
    kind, said = _text(attributes, ("exception.type",)), _text(attributes, ("exception.message",))
    raised = ": ".join(part for part in (kind, said) if part and part not in line)
    return f"{line} {raised}".strip() if raised else line


def _line(body: AnyValue) -> str:
    if body.WhichOneof("value") == "kvlist_value":
        return _text(plain_map(body.kvlist_value.values), MESSAGE_KEYS) or text_of(body)
    return text_of(body)


def _text(attributes: Mapping[str, object], keys: tuple[str, ...]) -> str:
    found = (attributes.get(key) for key in keys)
    return next((text for text in found if isinstance(text, str) and text), "")


def _id(told: bytes, length: int) -> str:
    return told.hex() if len(told) == length and any(told) else ""
