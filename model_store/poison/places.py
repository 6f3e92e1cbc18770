"""Where a poison is put: in the place of a text that was there, or in rows that one emitter adds."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from model_store.poison.recordings import Recording, Roles
from service.domain.component import EDGE_ARROW
from service.ports import CHANGES, LOGS, METRICS, SPANS
from service.stores.validation import name_of

_compute: Any = pc
_ROWS = 60
_FLOOD = 100_000
_LONG = 10_000
"""Text from here on is put into few rows."""


class Place(StrEnum):
    """Where a poison stands. Those that end in ``added`` are new rows, the others text of rows that are there."""

    BODY = "log-template"
    PARAMETER = "log-body"
    OPERATION = "operation"
    STATUS = "span-kind-and-status"
    TRACE_ID = "trace-id"
    LABEL = "alert-label"
    ANNOTATION = "annotation"
    SUMMARY = "change-summary"
    POD = "pod"
    NODE = "node"
    SERVICE = "service"
    LINES = "log-lines added"
    FORGED_LINES = "log-lines with another's ids added"
    TEMPLATES = "100,000 log templates added"
    SPANS = "spans added"
    SERIES = "series added"
    PODS = "pods added"
    CHANGES = "changes added"

    @property
    def adds(self) -> bool:
        """Whether rows are added."""
        return self.value.endswith("added")


def poisoned(recording: Recording, roles: Roles, place: Place, text: str) -> Recording:
    """The recording with the text there. ``text`` is formatted already."""
    return _PUT[place](recording, roles, text)


def _body(recording: Recording, roles: Roles, text: str) -> Recording:
    logs = recording.tables["logs"]
    lines = roles.few_lines if len(text) > _LONG else roles.lines
    return _with_column(recording, "logs", "body", _compute.if_else(lines, text, logs["body"]))


def _parameter(recording: Recording, roles: Roles, text: str) -> Recording:
    logs = recording.tables["logs"]
    lines = roles.few_lines if len(text) > _LONG else roles.lines
    longer = _compute.binary_join_element_wise(logs["body"], _compute.if_else(lines, text, ""), " ")
    return _with_column(recording, "logs", "body", _compute.if_else(lines, longer, logs["body"]))


def _operation(recording: Recording, roles: Roles, text: str) -> Recording:
    return _with_column(
        recording, "spans", "operation", _renamed(recording.tables["spans"]["operation"], {roles.operation: text})
    )


def _status(recording: Recording, roles: Roles, text: str) -> Recording:
    spans = recording.tables["spans"]
    kind = _renamed(spans["kind"], {"internal": text, "server": f"server {text}"})
    status = _renamed(spans["status"], {"unset": text, "ok": f"ok {text}"})
    return _with_column(_with_column(recording, "spans", "kind", kind), "spans", "status", status)


def _trace_id(recording: Recording, roles: Roles, text: str) -> Recording:
    """Every trace's id is the text and a number: they stay apart."""
    text = text[: _LONG // 10]
    spans, logs = recording.tables["spans"], recording.tables["logs"]
    fresh = {trace: f"{text} {n}" for n, trace in enumerate(_compute.unique(spans["trace_id"]).to_pylist())}
    both = _with_column(recording, "spans", "trace_id", _renamed(spans["trace_id"], fresh).cast(pa.string()))
    return _with_column(both, "logs", "trace_id", _renamed(logs["trace_id"], fresh).cast(pa.string()))


def _label(recording: Recording, roles: Roles, text: str) -> Recording:
    return _with_alert(
        recording,
        "labels",
        lambda labels: {k: v if k == "service" else text for k, v in labels.items()} | {f"label {text}": text},
    )


def _annotation(recording: Recording, roles: Roles, text: str) -> Recording:
    return _with_alert(recording, "annotations", lambda told: dict.fromkeys(told, text) | {f"summary {text}": text})


def _summary(recording: Recording, roles: Roles, text: str) -> Recording:
    changes = recording.tables["changes"]
    return _with_column(recording, "changes", "summary", pa.array([text] * len(changes), pa.string()))


_HOLDERS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "service": {
        "spans": ("service",),
        "logs": ("service",),
        "metrics": ("service", "component"),
        "changes": ("service",),
        "topology": ("source", "target"),
    },
    "pod": {"spans": ("pod",), "logs": ("pod",), "metrics": ("component",), "topology": ("source",)},
    "node": {"spans": ("node",), "logs": ("node",), "metrics": ("component",), "topology": ("target",)},
}
"""The columns that hold names of each kind of component."""


def _component(kind: str) -> Callable[[Recording, Roles, str], Recording]:
    def put(recording: Recording, roles: Roles, text: str) -> Recording:
        return _called(recording, kind, roles.named[kind], text)

    return put


def _called(recording: Recording, kind: str, old: str, new: str) -> Recording:
    """A component by another name, wherever it is named."""
    renamed = recording
    for table, columns in _HOLDERS[kind].items():
        for column in columns if table in renamed.tables else ():
            values = renamed.tables[table][column]
            names = {
                name: new if name == old else _of_edge(name, old, new) for name in _compute.unique(values).to_pylist()
            }
            renamed = _with_column(renamed, table, column, _renamed(values, names))
    labels = _with_alert(renamed, "labels", lambda told: {k: new if v == old else v for k, v in told.items()})
    return replace(labels, old_names={name_of(new): old})


def _of_edge(name: str, old: str, new: str) -> str:
    caller, arrow, callee = name.partition(EDGE_ARROW)
    return EDGE_ARROW.join(new if end == old else end for end in (caller, callee)) if arrow else name


def _lines(recording: Recording, roles: Roles, text: str) -> Recording:
    count = 3 if len(text) > _LONG else _ROWS
    return _add(
        recording,
        "logs",
        LOGS,
        _emitted(recording, roles, count) | {"severity": "FATAL", "body": text, "trace_id": "", "span_id": ""},
        count,
    )


def _forged_lines(recording: Recording, roles: Roles, text: str) -> Recording:
    """Lines of the emitter that claim to be written in the spans of another."""
    spans = recording.tables["spans"]
    theirs = spans.filter(_compute.equal(spans["service"], roles.target))
    now = theirs.filter(
        _compute.greater_equal(theirs["start"], pa.scalar(recording.incident.window.start, pa.timestamp("us", "UTC")))
    )
    count = min(len(now), 3 if len(text) > _LONG else _ROWS)
    ids = {name: now[name].to_pylist()[:count] for name in ("trace_id", "span_id")}
    return _add(
        recording, "logs", LOGS, _emitted(recording, roles, count) | ids | {"severity": "ERROR", "body": text}, count
    )


def _many_templates(recording: Recording, roles: Roles, text: str) -> Recording:
    words = [
        f"{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676 % 26)}{chr(97 + n // 17576)}"
        for n in range(_FLOOD)
    ]
    bodies = [f"{word} {word[::-1]} {text[:60]}" for word in words]
    return _add(
        recording,
        "logs",
        LOGS,
        _emitted(recording, roles, _FLOOD) | {"severity": "ERROR", "body": bodies, "trace_id": "", "span_id": ""},
        _FLOOD,
    )


def _spans(recording: Recording, roles: Roles, text: str) -> Recording:
    """Requests of the emitter's own, as long as it likes, that bear the text wherever a span has one."""
    count = 3 if len(text) > _LONG else _ROWS
    row = _emitted(recording, roles, count)
    ids = [f"{text[:200]} {n}" for n in range(count)]
    said = {"trace_id": ids, "span_id": ids, "parent_span_id": "", "operation": text, "kind": text, "status": "error"}
    said |= {"peer": text, "peer_role": text, "linked_trace_id": ids, "linked_span_id": ids}
    return _add(
        recording, "spans", SPANS, row | said | {"start": row["time"], "duration_us": 7 * 86_400_000_000}, count
    )


def _series(recording: Recording, roles: Roles, text: str) -> Recording:
    """Series of the emitter, named and measured in the text, with numbers that nothing has."""
    count = 2 * _ROWS
    values = [(-1.0) ** n * 1e308 for n in range(count)]
    times = [*_moments(recording, count // 2, before=True), *_moments(recording, count // 2)]
    said = {
        "component": roles.emitter,
        "kind": "service",
        "service": roles.emitter,
        "metric": text,
        "unit": text,
        "value": values,
    }
    return _add(recording, "metrics", METRICS, said | {"time": times}, count)


def _pods(recording: Recording, roles: Roles, text: str) -> Recording:
    row = _emitted(recording, roles, _ROWS)
    pods = [f"{text[:_LONG]}{n}" for n in range(_ROWS)]
    return _add(
        recording,
        "logs",
        LOGS,
        row | {"pod": pods, "severity": "INFO", "body": "up", "trace_id": "", "span_id": ""},
        _ROWS,
    )


def _changes(recording: Recording, roles: Roles, text: str) -> Recording:
    at = [recording.incident.alerted_at - timedelta(seconds=n) for n in range(3)]
    return _add(
        recording,
        "changes",
        CHANGES,
        {"time": at, "service": roles.emitter, "kind": ["deploy", text, "restart"], "summary": text},
        3,
    )


_PUT: Mapping[Place, Callable[[Recording, Roles, str], Recording]] = {
    Place.BODY: _body,
    Place.PARAMETER: _parameter,
    Place.OPERATION: _operation,
    Place.STATUS: _status,
    Place.TRACE_ID: _trace_id,
    Place.LABEL: _label,
    Place.ANNOTATION: _annotation,
    Place.SUMMARY: _summary,
    Place.POD: _component("pod"),
    Place.NODE: _component("node"),
    Place.SERVICE: _component("service"),
    Place.LINES: _lines,
    Place.FORGED_LINES: _forged_lines,
    Place.TEMPLATES: _many_templates,
    Place.SPANS: _spans,
    Place.SERIES: _series,
    Place.PODS: _pods,
    Place.CHANGES: _changes,
}


def _renamed(values: Any, names: Mapping[str, str]) -> Any:
    """A text column in which every such value is another; each is there once, however long it is."""
    encoded = values.combine_chunks().dictionary_encode()
    fresh = [names.get(name, name) for name in encoded.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(encoded.indices, pa.array(fresh, pa.string()))


def _with_column(recording: Recording, name: str, column: str, values: Any) -> Recording:
    table = recording.tables[name]
    return recording.with_table(name, table.set_column(table.schema.get_field_index(column), column, values))


def _with_alert(recording: Recording, of: str, change: Callable[[dict[str, str]], dict[str, str]]) -> Recording:
    alerts = cast("list[dict[str, Any]]", recording.alert_body["alerts"])
    changed = [{**alert, of: change(dict(alert.get(of) or {}))} for alert in alerts]
    return replace(recording, alert_body={**recording.alert_body, "alerts": changed})


def _emitted(recording: Recording, roles: Roles, count: int) -> dict[str, Any]:
    """When and where the emitter writes rows of now."""
    spans = recording.tables["spans"]
    own = spans.filter(_compute.equal(spans["service"], roles.emitter))
    pod, node = own["pod"][0].as_py(), own["node"][0].as_py()
    return {"time": _moments(recording, count), "service": roles.emitter, "pod": pod, "node": node}


def _moments(recording: Recording, count: int, *, before: bool = False) -> list[Any]:
    """Moments spread over the window, or over the time before it."""
    window = recording.incident.window
    start = window.start - window.length if before else window.start
    return [start + window.length * float(part) for part in np.linspace(0.01, 0.98, count)]


def _add(recording: Recording, name: str, schema: pa.Schema, values: Mapping[str, Any], count: int) -> Recording:
    columns = {
        field.name: pa.array(v if isinstance(v := values[field.name], list) else [v] * count, field.type)
        for field in schema
    }
    rows = pa.table(columns, schema=schema)
    return recording.with_table(name, pa.concat_tables([recording.tables[name].cast(schema), rows]))
