"""A server that speaks Tempo's API and knows the traces of a table: beside the real adapter, for tests."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from service.stores.fake_traces import FakeTraces, Row, Trace, Wanted, span_attributes
from service.stores.otlp_fake import resource_spans
from service.stores.span_rows import TRACE_DIGITS

DEFAULT_LIMIT = 20
_QUERY = re.compile(r"(\(?)\{\s*(.*?)\s*\}(?: && \{ \}\))?(?: \| select\(([^)]*)\))?")
_SERVICE = re.compile(r'resource\.service\.name = ("(?:[^"\\]|\\.)*")')
_LONGER = re.compile(r"duration >= (\d+)us")


class Unknown(ValueError):
    """A query that cannot be read."""


@dataclass(slots=True)
class FakeTempo:
    """Traces by Tempo's rules: TraceQL in so far as it is one set of spans with conditions joined by "and", perhaps
    with all other spans and a selection; ids without their leading zeros in what a search finds; a search without time
    sees only what is recent, which of a table is nothing; no trace is 404 with an empty body. ``versions`` of the path
    of a trace that are there; one that ``selects`` no parents calls them unknown.
    """

    spans: pa.Table
    versions: tuple[int, ...] = (1, 2)
    selects: bool = True
    most_spans: int = 100

    def app(self) -> Starlette:
        """The ASGI application."""
        known = FakeTraces(self.spans)

        async def search(request: Request) -> Response:
            return self._search(known, dict(request.query_params))

        async def values(request: Request) -> Response:
            told = [{"type": "string", "value": name} for name in known.services]
            return JSONResponse({"tagValues": told, "metrics": {"inspectedBytes": "1"}})

        async def trace1(request: Request) -> Response:
            sent = _sent(known, request.path_params["id"])
            return Response(status_code=404) if sent is None else JSONResponse({"batches": sent})

        async def trace2(request: Request) -> Response:
            sent = _sent(known, request.path_params["id"])
            told = {"trace": {"resourceSpans": sent}, "metrics": {"inspectedBytes": "1"}}
            return Response(status_code=404) if sent is None else JSONResponse(told)

        paths = {1: Route("/api/traces/{id}", trace1), 2: Route("/api/v2/traces/{id}", trace2)}
        tags = Route("/api/v2/search/tag/{tag}/values", values)
        return Starlette(routes=[Route("/api/search", search), tags, *(paths[v] for v in self.versions)])

    def _search(self, known: FakeTraces, asked: dict[str, str]) -> Response:
        if not (asked.get("start", "").isdecimal() and asked.get("end", "").isdecimal()):
            return JSONResponse({"traces": [], "metrics": {}})
        most = int(asked.get("spss", 3))
        if most > self.most_spans:
            return PlainTextResponse(f"spans per span set exceeds {self.most_spans}. received {most}", 400)
        try:
            query = _parsed(asked.get("q", ""), int(asked["start"]) * 1_000_000, int(asked["end"]) * 1_000_000)
            if "span:parentID" in query.selected and not self.selects:
                raise Unknown("parse error at line 1, col 50: unknown identifier: span:parentID")
        except Unknown as error:
            return PlainTextResponse(f"invalid TraceQL query: {error}", 400)
        found = known.found(query.wanted, int(asked.get("limit", DEFAULT_LIMIT)))
        told = [_told(trace, query, most) for trace in found]
        return JSONResponse({"traces": told, "metrics": {"inspectedBytes": "1"}})


@dataclass(frozen=True, slots=True)
class _Query:
    """One set of spans; ``whole`` for all other spans of their traces beside them, and what is told of each: what is
    selected and what the conditions are about.
    """

    wanted: Wanted
    whole: bool
    selected: tuple[str, ...]


def _parsed(query: str, start_us: int, end_us: int) -> _Query:
    """What a TraceQL query wants. Raises `Unknown` where it is none that this server can read."""
    if (parts := _QUERY.fullmatch(query.strip())) is None:
        raise Unknown("parse error at line 1, col 1: syntax error: unexpected IDENTIFIER")
    bracket, conditions, selected = parts.groups()
    service, failed, at_least_us = "", False, 0
    for condition in filter(None, conditions.split(" && ")):
        if named := _SERVICE.fullmatch(condition):
            service = json.loads(named[1])
        elif longer := _LONGER.fullmatch(condition):
            at_least_us = int(longer[1])
        elif condition == "status = error":
            failed = True
        else:
            raise Unknown(f"parse error at line 1, col 2: unknown identifier: {condition}")
    named = ["resource.service.name"] * bool(service) + ["status"] * failed
    names = (*named, *(selected.split(", ") if selected else ()))
    return _Query(Wanted(service, start_us, end_us, failed, at_least_us), bool(bracket) or not conditions, names)


def _told(trace: Trace, query: _Query, most: int) -> dict[str, Any]:
    first = min(trace, key=lambda row: row["start_us"])
    fitting = [row for row in trace if query.whole or query.wanted.has(row)]
    spans = {"spans": [_span(row, query.selected) for row in fitting[:most]], "matched": len(fitting)}
    return {
        "traceID": first["trace_id"].lstrip("0"),
        "rootServiceName": first["service"],
        "rootTraceName": first["operation"],
        "startTimeUnixNano": str(first["start_us"] * 1000),
        "durationMs": first["duration_us"] // 1000,
        "spanSet": spans,
        "spanSets": [spans],
    }


def _span(row: Row, selected: Sequence[str]) -> dict[str, Any]:
    """A span as a search tells of it: attributes without their scope, of what is not there nothing."""
    told = {
        "kind": row["kind"] or "unspecified",
        "status": row["status"],
        "span:parentID": row["parent_span_id"],
        "resource.service.name": row["service"],
        "resource.k8s.pod.name": row["pod"],
        "resource.k8s.node.name": row["node"],
        **{f"span.{key}": text for key, text in span_attributes(row).items()},
    }
    present = {_unscoped(name): told[name] for name in selected if told.get(name)}
    return {
        "spanID": row["span_id"].lstrip("0"),
        **({"name": row["operation"]} if "name" in selected else {}),
        "startTimeUnixNano": str(row["start_us"] * 1000),
        "durationNanos": str(row["duration_us"] * 1000),
        "attributes": [{"key": key, "value": {"stringValue": text}} for key, text in present.items()],
    }


def _unscoped(name: str) -> str:
    return name.removeprefix("resource.").removeprefix("span.")


def _sent(known: FakeTraces, trace_id: str) -> list[dict[str, Any]] | None:
    trace = known.traces.get(trace_id.rjust(TRACE_DIGITS, "0"))
    return None if trace is None else resource_spans(trace, by_name=True)
