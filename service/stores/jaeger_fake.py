"""A server that speaks Jaeger's query API and knows the traces of a table: beside the real adapter, for tests."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from service.stores.embedded.decoded import microseconds
from service.stores.fake_traces import FakeTraces, Row, Trace, Wanted, span_attributes
from service.stores.otlp_fake import resource_spans
from service.stores.span_rows import TRACE_DIGITS

DEFAULT_LIMIT = 20
_DURATION = re.compile(r"(\d+)(us|ms|s)")
_MICROSECONDS = {"us": 1, "ms": 1000, "s": 1_000_000}


@dataclass(slots=True)
class FakeJaeger:
    """Traces by Jaeger's rules: a search names a service, its filters hold for one span of it, and it answers with the
    newest whole traces. ``versions`` of the API that are there; without ``dependencies`` nobody counted who calls whom;
    ``text_tags`` as VictoriaTraces has them, where every tag is text and "error" stands on every span; it refuses the
    question for dependencies. With a ``page`` everything else is answered by that.
    """

    spans: pa.Table
    versions: Sequence[int] = (1, 3)
    dependencies: bool = True
    text_tags: bool = False
    page: bool = False

    def app(self) -> Starlette:
        """The ASGI application."""
        known = FakeTraces(self.spans)
        routes = {
            1: [
                Route("/api/services", _answering(known, _services)),
                Route("/api/traces", _answering(known, self._traces)),
                Route("/api/traces/{id}", _answering(known, self._one)),
            ],
            3: [
                Route("/api/v3/services", _answering(known, _services3)),
                Route("/api/v3/traces", _answering(known, _traces3)),
                Route("/api/v3/traces/{id}", _answering(known, _one3)),
            ],
        }
        counted = {
            1: Route("/api/dependencies", _answering(known, _dependencies)),
            3: Route("/api/v3/dependencies", _answering(known, _dependencies3)),
        }
        there = [route for version in self.versions for route in routes[version]]
        if self.text_tags:
            counted[1] = Route("/api/dependencies", _unsupported)
        there += [counted[version] for version in self.versions if self.dependencies or self.text_tags]
        return Starlette(routes=[*there, *([Route("/{path:path}", _page)] if self.page else [])])

    def _traces(self, known: FakeTraces, asked: dict[str, str]) -> Response:
        if not asked.get("service"):
            return _refused("parameter 'service' is required")
        try:
            tags: dict[str, str] = json.loads(asked.get("tags", "{}"))
            limit = int(asked.get("limit", DEFAULT_LIMIT))
            wanted = Wanted(
                asked["service"],
                int(asked["start"]),
                int(asked["end"]),
                failed=tags.get("error") == "true",
                at_least_us=_duration_us(asked.get("minDuration", "0us")),
            )
        except (ValueError, KeyError) as error:
            return _refused(f"malformed parameter: {error}")
        return _envelope([self._trace(trace) for trace in known.found(wanted, limit)])

    def _one(self, known: FakeTraces, asked: dict[str, str]) -> Response:
        trace = known.traces.get(asked["id"].rjust(TRACE_DIGITS, "0"))
        return _refused("trace not found", 404) if trace is None else _envelope([self._trace(trace)])

    def _trace(self, trace: Trace) -> dict[str, Any]:
        senders = list(dict.fromkeys((row["service"], row["pod"], row["node"]) for row in trace))
        processes = {f"p{number}": _process(*sender) for number, sender in enumerate(senders, 1)}
        places = {sender: name for name, sender in zip(processes, senders, strict=True)}
        spans = [self._span(row, places[row["service"], row["pod"], row["node"]]) for row in trace]
        return {"traceID": trace[0]["trace_id"], "spans": spans, "processes": processes, "warnings": None}

    def _span(self, row: Row, process: str) -> dict[str, Any]:
        trace_id, parent = row["trace_id"], row["parent_span_id"]
        return {
            "traceID": trace_id,
            "spanID": row["span_id"],
            "operationName": row["operation"],
            "references": [*_reference("CHILD_OF", trace_id, parent), *_link(row)],
            "startTime": row["start_us"],
            "duration": row["duration_us"],
            "tags": [
                *self._tags(row["kind"], row["status"]),
                *(_tag(key, text) for key, text in span_attributes(row).items()),
            ],
            "logs": [],
            "processID": process,
            "warnings": None,
        }

    def _tags(self, kind: str, status: str) -> list[dict[str, Any]]:
        kinds = [_tag("span.kind", kind)] if kind else []
        if self.text_tags:
            return [*kinds, _tag("error", {"error": "true", "ok": "false"}.get(status, "unset"))]
        codes = [_tag("otel.status_code", status.upper())] if status in ("ok", "error") else []
        errors = [{"key": "error", "type": "bool", "value": True}] if status == "error" else []
        return [*kinds, *codes, *errors]


def _reference(kind: str, trace_id: str, span_id: str) -> list[dict[str, str]]:
    return [{"refType": kind, "traceID": trace_id, "spanID": span_id}] if span_id else []


def _link(row: Row) -> list[dict[str, str]]:
    return _reference("FOLLOWS_FROM", row["linked_trace_id"], row["linked_span_id"])


def _answering(known: FakeTraces, answer: Any) -> Any:
    async def endpoint(request: Request) -> Response:
        return answer(known, {**request.path_params, **request.query_params})

    return endpoint


def _services(known: FakeTraces, asked: dict[str, str]) -> Response:
    return _envelope(known.services)


def _services3(known: FakeTraces, asked: dict[str, str]) -> Response:
    return JSONResponse({"services": known.services})


def _dependencies(known: FakeTraces, asked: dict[str, str]) -> Response:
    if not asked.get("endTs", "").isdecimal():
        return _refused("unable to parse param 'endTs'")
    return _envelope(_links(known))


def _dependencies3(known: FakeTraces, asked: dict[str, str]) -> Response:
    if not (asked.get("start_time") and asked.get("end_time")):
        return _error3(400, "malformed parameter startTime")
    return JSONResponse({"dependencies": [{**link, "callCount": str(link["callCount"])} for link in _links(known)]})


def _links(known: FakeTraces) -> list[dict[str, Any]]:
    counted = Counter(known.calls())
    return [{"parent": a, "child": b, "callCount": count} for (a, b), count in counted.items()]


async def _unsupported(request: Request) -> Response:
    return PlainTextResponse("/api/dependencies API is not supported yet.", 400)


async def _page(request: Request) -> Response:
    return HTMLResponse("<!doctype html><title>Jaeger UI</title>")


def _traces3(known: FakeTraces, asked: dict[str, str]) -> Response:
    """Whole traces as OTLP; that there are none is 404."""
    try:
        start, end = (datetime.fromisoformat(asked[f"query.start_time_{side}"]) for side in ("min", "max"))
        at_least_us = _duration_us(asked.get("query.duration_min", "0us"))
        limit = int(asked.get("query.search_depth", DEFAULT_LIMIT))
    except (KeyError, ValueError) as error:
        return _error3(400, f"malformed parameter {error}")
    wanted = Wanted(asked["query.service_name"], microseconds(start), microseconds(end), at_least_us=at_least_us)
    found = known.found(wanted, limit)
    return _sent3(found)


def _one3(known: FakeTraces, asked: dict[str, str]) -> Response:
    trace = known.traces.get(asked["id"].rjust(TRACE_DIGITS, "0"))
    return _sent3([] if trace is None else [trace])


def _sent3(found: Sequence[Trace]) -> Response:
    if not found:
        return _error3(404, "No traces found")
    sent = [part for trace in found for part in resource_spans(trace, by_name=False)]
    return JSONResponse({"result": {"resourceSpans": sent}})


def _error3(code: int, message: str) -> Response:
    return PlainTextResponse(json.dumps({"error": {"httpCode": code, "message": message}}), code)


def _envelope(data: Sequence[object]) -> Response:
    return JSONResponse({"data": data or None, "total": len(data), "limit": 0, "offset": 0, "errors": None})


def _refused(message: str, code: int = 400) -> Response:
    errors = [{"code": code, "msg": message}]
    return JSONResponse({"data": None, "total": 0, "limit": 0, "offset": 0, "errors": errors}, code)


def _process(service: str, pod: str, node: str) -> dict[str, Any]:
    told = {"k8s.pod.name": pod, "k8s.node.name": node}
    return {"serviceName": service, "tags": [_tag(key, text) for key, text in told.items() if text]}


def _tag(key: str, text: str) -> dict[str, Any]:
    return {"key": key, "type": "string", "value": text}


def _duration_us(told: str) -> int:
    """A duration as Go writes it, of one unit."""
    parsed = _DURATION.fullmatch(told)
    if parsed is None:
        raise ValueError(f"invalid duration {told!r}")
    return int(parsed[1]) * _MICROSECONDS[parsed[2]]
