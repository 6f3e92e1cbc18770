"""Jaeger's query API in its versions: 1, which its own page uses, and 3, which answers in OTLP's JSON."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol, TypeVar

import pyarrow as pa

from service.domain.window import Window, rfc3339
from service.errors import BackendError
from service.ports import SPANS
from service.stores.aside import read
from service.stores.backend import Backend
from service.stores.embedded.decoded import microseconds
from service.stores.jaeger_wire import (
    DependenciesAnswer,
    DependenciesAnswer3,
    Dependency,
    ServicesAnswer,
    ServicesAnswer3,
    TracesAnswer,
    TracesAnswer3,
    rows_of_jaeger,
)
from service.stores.otlp_json import rows_of
from service.stores.span_rows import span_table
from service.stores.trace_sampling import Asked, Found

UNSUPPORTED = "is not supported"
A = TypeVar("A", ServicesAnswer, TracesAnswer, DependenciesAnswer)


class JaegerApi(Protocol):
    """What a Jaeger can be asked. Everything raises `service.errors.BackendError`."""

    async def services(self) -> Sequence[str]:
        """All services."""
        ...

    async def search(self, asked: Asked) -> Found:
        """Traces through a service."""
        ...

    async def trace(self, trace_id: str) -> pa.Table:
        """The spans of one trace, none if it is not there."""
        ...

    async def dependencies(self, window: Window) -> Sequence[Dependency]:
        """Who calls whom; nothing where that is not known."""
        ...


class Api1:
    """Version 1: an envelope around everything, times in microseconds."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def services(self) -> Sequence[str]:
        """All services."""
        return self._sound(await self._backend.told(ServicesAnswer, "GET", "/api/services")).data

    async def search(self, asked: Asked) -> Found:
        """Traces through a service."""
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
        return await read(self._read, body or b"")

    async def trace(self, trace_id: str) -> pa.Table:
        """The spans of one trace, none if it is not there."""
        body = await self._backend.ask("GET", f"/api/traces/{trace_id}", missing_ok=True)
        return SPANS.empty_table() if body is None else (await read(self._read, body)).spans

    async def dependencies(self, window: Window) -> Sequence[Dependency]:
        """Who calls whom; nothing where that is not known."""
        parameters = {
            "endTs": str(microseconds(window.end) // 1000),
            "lookback": str(window.length // timedelta(milliseconds=1)),
        }
        try:
            body = await self._backend.ask("GET", "/api/dependencies", params=parameters, missing_ok=True)
        except BackendError as error:  # a VictoriaTraces refuses the question as such
            if UNSUPPORTED not in str(error):
                raise
            body = None
        return () if body is None else self._sound(self._backend.parsed(DependenciesAnswer, body)).data

    def _read(self, body: bytes) -> Found:
        traces = self._sound(self._backend.parsed(TracesAnswer, body)).data
        return Found(span_table(rows_of_jaeger(traces)), len(traces))

    def _sound(self, answer: A) -> A:
        """The answer, if it is none of an error that came with 200."""
        if answer.errors and not answer.data:
            raise self._backend.failure(f"answered with an error: {answer.errors[0].msg}")
        return answer


class Api3:
    """Version 3: times as text, nothing found is 404, and a search knows no failed traces."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def services(self) -> Sequence[str]:
        """All services."""
        return (await self._backend.told(ServicesAnswer3, "GET", "/api/v3/services")).services

    async def search(self, asked: Asked) -> Found:
        """Traces through a service."""
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
        return Found(SPANS.empty_table(), 0) if body is None else await read(self._read, body)

    async def trace(self, trace_id: str) -> pa.Table:
        """The spans of one trace, none if it is not there."""
        body = await self._backend.ask("GET", f"/api/v3/traces/{trace_id}", missing_ok=True)
        return SPANS.empty_table() if body is None else (await read(self._read, body)).spans

    async def dependencies(self, window: Window) -> Sequence[Dependency]:
        """Who calls whom; nothing where that is not known, as in older ones."""
        parameters = {"start_time": rfc3339(window.start), "end_time": rfc3339(window.end)}
        body = await self._backend.ask("GET", "/api/v3/dependencies", params=parameters, missing_ok=True)
        return () if body is None else self._backend.parsed(DependenciesAnswer3, body).dependencies

    def _read(self, body: bytes) -> Found:
        spans = span_table(rows_of(self._backend.parsed(TracesAnswer3, body).result.resource_spans))
        return Found(spans, len(set(spans.column("trace_id").to_pylist())))
