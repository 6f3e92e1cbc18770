"""Fields of log records as the columns of `LOGS`: which name holds what, and how what it holds is written."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from service.domain.names import is_missing, workload_of
from service.ports import LOGS, TIME
from service.stores.embedded.logs import BODY_LENGTH, MESSAGE_KEYS
from service.stores.embedded.origin import NAME_LENGTH, UNKNOWN
from service.telemetry import NAME

_compute: Any = pc

LOUD_LEVEL = "(?i:(warn|warning|err|error|fatal|crit|critical|severe|panic|alert|emerg|emergency)[0-9]*)"
"""Levels of which every line is wanted (RE2, of the whole text)."""
LOUD_TEXT = r"(?i:\b(err|error|fatal|critical|severe|panic|emerg|warn|warning)\b|exception|traceback|segfault)"
"""What a line says that is wanted, where no level tells (RE2, anywhere)."""
UNKNOWN_LEVEL = "unknown"
"""What Loki calls the level of a line in which it found none."""

_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{1,32}")
_PAIR = re.compile(r'([A-Za-z_][\w.\-]*)=(?:"((?:[^"\\]|\\.)*)"|(\S*))(?:\s+|$)')
_PAIRS = re.compile(rf"\s*(?:{_PAIR.pattern}){{2}}")
_ESCAPED = re.compile(r"\\(.)")
_LEVEL_KEYS = ("level", "severity", "lvl", "log.level", "severity_text")
_TRACE_KEYS = ("trace_id", "traceid", "traceId", "traceID", "trace.id", "TraceId", "TraceID")
_SPAN_KEYS = ("span_id", "spanid", "spanId", "spanID", "span.id", "SpanId", "SpanID")


@dataclass(frozen=True, slots=True)
class LogFields:
    """The fields that hold what a row of `LOGS` has, the most trusted first."""

    service: tuple[str, ...]
    pod: tuple[str, ...]
    node: tuple[str, ...]
    severity: tuple[str, ...]
    body: tuple[str, ...]
    trace_id: tuple[str, ...]
    span_id: tuple[str, ...]

    def every(self) -> tuple[str, ...]:
        """All of them, each once."""
        told = (self.service, self.pod, self.node, self.severity, self.body, self.trace_id, self.span_id)
        return tuple(dict.fromkeys(name for names in told for name in names))

    def preferring(self, **named: Sequence[str]) -> "LogFields":
        """The same with these before the others."""
        return replace(self, **{what: _once(*names, *getattr(self, what)) for what, names in named.items()})

    def followed_by(self, **named: Sequence[str]) -> "LogFields":
        """The same with these after the others."""
        return replace(self, **{what: _once(*getattr(self, what), *names) for what, names in named.items()})

    def as_labels(self) -> "LogFields":
        """The same as they are called where a name has letters, digits and underscores alone."""
        told = {what: getattr(self, what) for what in self.__slots__}
        return LogFields(**{what: _once(*(re.sub(r"\W", "_", name) for name in names)) for what, names in told.items()})


def _once(*names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


OTEL = LogFields(
    service=("service.name", "resource.attributes.service.name", "resource.service.name", "Resource.service.name"),
    pod=("k8s.pod.name", "resource.attributes.k8s.pod.name", "resource.k8s.pod.name", "Resource.k8s.pod.name"),
    node=("k8s.node.name", "resource.attributes.k8s.node.name", "resource.k8s.node.name", "Resource.k8s.node.name"),
    severity=("severity_text", "severityText", "severity.text", "SeverityText"),
    body=("body.text", "body", "Body"),
    trace_id=("trace_id", "traceId", "TraceId"),
    span_id=("span_id", "spanId", "SpanId"),
)
"""OpenTelemetry's names as its exporters for Elasticsearch and OpenSearch write them."""

ECS = LogFields(
    service=("service.name", "kubernetes.deployment.name", "kubernetes.container.name", "container.name"),
    pod=("kubernetes.pod.name",),
    node=("kubernetes.node.name", "host.name"),
    severity=("log.level",),
    body=("message",),
    trace_id=("trace.id",),
    span_id=("span.id",),
)
"""The Elastic Common Schema."""

USUAL = LogFields(
    service=(
        *dict.fromkeys((*OTEL.service, *ECS.service)), "serviceName", "service_name", "service",
        "k8s.deployment.name", "k8s.statefulset.name", "k8s.daemonset.name", "kubernetes.labels.app",
        "kubernetes.pod_labels.app", "app.kubernetes.io/name", "app", "kubernetes.container_name",
        "k8s.container.name", "container", "job",
    ),
    pod=(*OTEL.pod, *ECS.pod, "kubernetes.pod_name", "pod_name", "pod"),
    node=(*OTEL.node, *ECS.node, "kubernetes.host", "node_name", "node"),
    severity=(*OTEL.severity, *ECS.severity, "severity", "level"),
    body=("_msg", *OTEL.body, *ECS.body, "msg", "log"),
    trace_id=(*OTEL.trace_id, *ECS.trace_id, "traceid", "traceID"),
    span_id=(*OTEL.span_id, *ECS.span_id, "spanid", "spanID"),
)  # fmt: skip
"""What is tried where nobody says which names are used."""


class LogRows:
    """Records as they come from a backend, one after the other, and the table that they make. hypocenter's own records
    are left out.
    """

    def __init__(self, fields: LogFields) -> None:
        self._fields = fields
        self._columns: dict[str, list[Any]] = {name: [] for name in LOGS.names}

    def add(self, time_us: int, told: Mapping[str, str], body: str | None = None) -> None:
        """A record: what its fields hold; ``body`` where the line is none of them."""
        names = self._fields
        row = {what: _first(told, getattr(names, what)) for what in LogFields.__slots__}
        row["severity"] = next((text for text in _there(told, names.severity) if text.lower() != UNKNOWN_LEVEL), "")
        if body is not None:
            row["body"] = body
        _look_inside(row)
        if row["service"] == NAME:
            return
        named = next((text for text in _there(told, names.service) if not is_missing(text)), "")
        row["service"] = named or workload_of(row["pod"]) or ("" if row["node"] and not row["pod"] else UNKNOWN)
        self._columns["time"].append(time_us)
        for name in LOGS.names[1:]:
            self._columns[name].append(_written(name, row[name]))

    def table(self) -> pa.Table:
        """All of them, as `LOGS`."""
        times = np.array(self._columns["time"], np.int64).view("datetime64[us]")
        texts: list[Any] = [pa.array(self._columns[name], pa.string()) for name in LOGS.names[1:]]
        moments: Any = pa.array(times)
        return pa.table([moments.cast(TIME), *texts], schema=LOGS)


def is_loud(table: pa.Table) -> Any:
    """For each row of `LOGS` whether it tells of trouble, as the questions to backends have it (an Arrow array)."""
    by_level = _compute.match_substring_regex(table["severity"], f"^({LOUD_LEVEL})$")
    by_text = _compute.match_substring_regex(table["body"], LOUD_TEXT)
    return _compute.or_(by_level, _compute.and_(_compute.equal(table["severity"], ""), by_text))


def _look_inside(row: dict[str, str]) -> None:
    """What a line in JSON or logfmt tells beside its message, where the record's fields do not. A line in logfmt stays
    whole: what else stands in it is a part of what it says.
    """
    inside = _opened(row["body"])
    if inside is None:
        inside = _pairs(row["body"])
    else:
        row["body"] = _first(inside, MESSAGE_KEYS) or row["body"]
    for what, keys in (("severity", _LEVEL_KEYS), ("trace_id", _TRACE_KEYS), ("span_id", _SPAN_KEYS)):
        row[what] = row[what] or _first(inside, keys)


def _opened(body: str) -> dict[str, str] | None:
    if not body.startswith("{") or len(body) > BODY_LENGTH:
        return None
    try:
        told: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return {key: value for key, value in told.items() if isinstance(value, str)}


def _pairs(body: str) -> dict[str, str]:
    """The pairs of a line in logfmt, which has two of them at least and nothing before the first; else none."""
    if len(body) > BODY_LENGTH or _PAIRS.match(body) is None:
        return {}
    return {key: _ESCAPED.sub(r"\1", quoted) if quoted else plain for key, quoted, plain in _PAIR.findall(body)}


def _written(column: str, text: str) -> str:
    """A value as it stands in that column: no text that UTF-8 does not know, ids of one length, nothing endless."""
    text = text.encode("utf-8", "replace").decode()
    match column:
        case "body":
            return text[:BODY_LENGTH]
        case "severity":
            return text[:20].upper()
        case "trace_id":
            return written_id(text, 32)
        case "span_id":
            return written_id(text, 16)
        case _:
            return text[:NAME_LENGTH]


def written_id(text: str, digits: int) -> str:
    """An id as spans have it: hexadecimal, lower case, with the leading zeros that some leave out; what is no such id
    stays as it is, one of zeros alone is none.
    """
    plain = text.replace("-", "")
    if not _HEXADECIMAL.fullmatch(plain) or not 8 <= len(plain) <= digits:
        return text[:NAME_LENGTH]
    return plain.lower().zfill(digits) if plain.strip("0") else ""


def _first(told: Mapping[str, str], names: Iterable[str]) -> str:
    return next(_there(told, names), "")


def _there(told: Mapping[str, str], names: Iterable[str]) -> Any:
    return (told[name] for name in names if told.get(name))
