"""Jaeger, and what speaks its query API (VictoriaTraces below ``/select/jaeger``): traces, and who calls whom."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

import pyarrow as pa

from service.domain.window import Window, rfc3339
from service.errors import BackendError
from service.ports import SPANS, TOPOLOGY
from service.stores.backend import Backend
from service.stores.columns import conform
from service.stores.embedded.decoded import microseconds
from service.stores.jaeger_wire import (
    DependenciesAnswer,
    Dependency,
    ServicesAnswer,
    ServicesAnswer3,
    TracesAnswer,
    TracesAnswer3,
    rows_of_jaeger,
)
from service.stores.otlp_json import rows_of
from service.stores.span_rows import span_table
from service.stores.trace_sampling import FOCUS, Asked, Found, TracePlan, known_among, sampled_spans
from service.telemetry import NAME

A = TypeVar("A", ServicesAnswer, TracesAnswer, DependenciesAnswer)

LOOKBACK = timedelta(days=1)
"""Who calls whom is asked for so long before: many servers count it once a day."""
SCOUTS, SCOUTED = 4, 5
"""Where nothing tells at which services traces begin, so many services are asked for so many traces each."""


class Jaeger:
    """Answers for traces and, where the server knows dependencies, for topology.

    Version 1 of the query API where it is there, else version 3, which finds no failed traces as such.
    """

    def __init__(self, backend: Backend, plan: TracePlan | None = None) -> None:
        self._backend = backend
        self._plan = plan or TracePlan()
        self._version = 1

    @property
    def name(self) -> str:
        """What people call it."""
        return self._backend.name

    async def spans(self, window: Window, alerting: Sequence[str] = ()) -> pa.Table:
        """Spans of the window, a sample where there are many (`trace_sampling`). Raises `BackendError`."""
        return await sampled_spans(self, window, alerting, self._plan)

    async def topology(self, window: Window) -> pa.Table:
        """Who calls whom, as counted in the day before the window's end; empty where the server does not count.

        Raises `BackendError`.
        """
        links = await self._dependencies(window)
        rows = [{"source": link.parent, "target": link.child, "relation": "calls"} for link in links]
        return conform(pa.Table.from_pylist(rows, schema=TOPOLOGY), TOPOLOGY, self.name)

    async def found(self) -> str:
        """What answers there, in one line. Raises `BackendError`."""
        services = await self._services()
        return f"{self.name} {self._backend.access.shown}: {len(services)} services"

    async def focus(self, window: Window, alerting: Sequence[str]) -> Sequence[str]:
        """Services that alert, as far as the server knows them; else those at which traces begin, busiest first."""
        known = await self._services()
        if chosen := known_among(alerting, known):
            return chosen
        entries = await self._entries(window) or await self._scouted(window, [name for name in known if name != NAME])
        return entries[:FOCUS]

    async def search(self, asked: Asked) -> Found:
        """Traces through a service. Raises `BackendError`."""
        return await (self._search(asked) if self._version == 1 else self._search3(asked))

    async def _services(self) -> Sequence[str]:
        body = await self._backend.ask("GET", "/api/services", missing_ok=True)
        if body is not None:
            self._version = 1
            return _sound(self._backend, self._backend.parsed(ServicesAnswer, body)).data
        answer = await self._backend.told(ServicesAnswer3, "GET", "/api/v3/services")
        self._version = 3
        return answer.services

    async def _entries(self, window: Window) -> list[str]:
        """Services that call and that nobody calls; nothing where dependencies are not known."""
        try:
            links = await self._dependencies(window)
        except BackendError:
            return []
        called = {link.child for link in links if link.child != link.parent}
        calls = Counter[str]()
        for link in links:
            if link.parent not in called:
                calls[link.parent] += link.calls
        return [name for name, _ in calls.most_common() if name != NAME]

    async def _scouted(self, window: Window, known: Sequence[str]) -> list[str]:
        """Services at which a few traces begin."""
        some = known[:: max(1, -(-len(known) // SCOUTS))]
        found = await asyncio.gather(*(self.search(Asked(name, window, SCOUTED)) for name in some))
        roots = Counter[str]()
        for one in found:
            parents, services = (one.spans.column(name).to_pylist() for name in ("parent_span_id", "service"))
            roots.update(str(name) for parent, name in zip(parents, services, strict=True) if not parent)
        return [name for name, _ in roots.most_common()] or list(some)

    async def _dependencies(self, window: Window) -> Sequence[Dependency]:
        lookback = max(LOOKBACK, window.length)
        parameters = {
            "endTs": str(microseconds(window.end) // 1000),
            "lookback": str(lookback // timedelta(milliseconds=1)),
        }
        body = await self._backend.ask("GET", "/api/dependencies", params=parameters, missing_ok=True)
        if body is None:
            return []
        return _sound(self._backend, self._backend.parsed(DependenciesAnswer, body)).data

    async def _search(self, asked: Asked) -> Found:
        parameters = {
            "service": asked.service,
            "start": str(microseconds(asked.window.start)),
            "end": str(microseconds(asked.window.end)),
            "limit": str(asked.limit),
        }
        if asked.failed:
            parameters["tags"] = '{"error":"true"}'
        if asked.at_least_us:
            parameters["minDuration"] = f"{asked.at_least_us}us"
        body = await self._backend.ask("GET", "/api/traces", params=parameters)
        return await asyncio.to_thread(self._read, body or b"")

    async def _search3(self, asked: Asked) -> Found:
        if asked.failed:
            return Found(SPANS.empty_table(), 0)
        parameters = {
            "query.service_name": asked.service,
            "query.start_time_min": rfc3339(asked.window.start),
            "query.start_time_max": rfc3339(asked.window.end),
            "query.search_depth": str(asked.limit),
            "query.num_traces": str(asked.limit),  # its older name
        }
        if asked.at_least_us:
            parameters["query.duration_min"] = f"{asked.at_least_us}us"
        body = await self._backend.ask("GET", "/api/v3/traces", params=parameters, missing_ok=True)
        if body is None:  # which is how it says that there are none
            return Found(SPANS.empty_table(), 0)
        return await asyncio.to_thread(self._read3, body)

    def _read(self, body: bytes) -> Found:
        traces = _sound(self._backend, self._backend.parsed(TracesAnswer, body)).data
        return Found(span_table(rows_of_jaeger(traces)), len(traces))

    def _read3(self, body: bytes) -> Found:
        answer = self._backend.parsed(TracesAnswer3, body)
        spans = span_table(rows_of(answer.result.resource_spans))
        return Found(spans, len(set(spans.column("trace_id").to_pylist())))


def _sound(backend: Backend, answer: A) -> A:
    """The answer, if it is none of an error that came with 200."""
    if answer.errors and not answer.data:
        raise backend.failure(f"answered with an error: {answer.errors[0].msg}")
    return answer
