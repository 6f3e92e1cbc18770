"""Traces written as trees, for tests that say what a request did."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pyarrow as pa

from service.domain.evidence import Evidence
from service.domain.graph import ServiceGraph
from service.evidence.constants import SCORE_SHOWN
from service.evidence.spans import Spans, read_spans
from service.evidence.tables import Compared
from tests.telemetry_rows import Row, at, spans

EMPTY_GRAPH = ServiceGraph(())


@dataclass(frozen=True)
class Did:
    """One execution: who, what, for how long (ms), and what it did in turn, one after the other."""

    service: str
    operation: str
    ms: float = 10
    then: tuple["Did", ...] = ()
    kind: str = ""
    status: str = "unset"
    after_ms: float = field(default=0)
    pod: str = ""


def call(service: str, callee: "Did", wait_ms: float = 1) -> Did:
    """A client span around a callee's execution: what it lasts longer than the callee is the gap."""
    return Did(service, f"call {callee.operation}", callee.ms + wait_ms, (callee,), kind="client")


def _rows(did: Did, trace: str, parent: str, start_ms: float, number: Iterator[int]) -> Iterator[Row]:
    span = f"{trace}-{next(number)}"
    yield {
        "trace_id": trace,
        "span_id": span,
        "parent_span_id": parent,
        "service": did.service,
        "pod": did.pod,
        "operation": did.operation,
        "kind": did.kind,
        "status": did.status,
        "start": at(0) + timedelta(milliseconds=start_ms),
        "duration_us": round(did.ms * 1000),
    }
    begin = start_ms
    for child in did.then:
        yield from _rows(child, trace, span, begin + child.after_ms, number)
        begin += child.ms


def traces(prefix: str, requests: list[Did]) -> pa.Table:
    """Every request as a trace of its own, a second apart, the first at noon."""
    rows: list[Row] = []
    for position, request in enumerate(requests):
        rows += _rows(request, f"{prefix}{position}", "", position * 1000.0, iter(range(1000)))
    return spans(*rows)


def compared(now: list[Did], before: list[Did]) -> Compared:
    """The traces of the window, from noon on, and those of its baseline."""
    return Compared(traces("now", now), traces("before", before))


def shown(rows: Iterable[Evidence]) -> list[Evidence]:
    """The rows that moved by so much that they are shown."""
    return [row for row in rows if row.score >= SCORE_SHOWN]


def read(now: list[Did], before: list[Did], graph: ServiceGraph = EMPTY_GRAPH) -> Spans:
    return read_spans(compared(now, before), graph)
