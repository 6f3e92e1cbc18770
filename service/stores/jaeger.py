"""Jaeger, and what speaks its query API (VictoriaTraces below ``/select/jaeger``): traces, and who calls whom."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode

import pyarrow as pa

from service.concurrency import gather
from service.domain import names
from service.domain.window import Window
from service.errors import BackendError
from service.ports import TOPOLOGY
from service.stores.backend import Backend
from service.stores.columns import conform
from service.stores.jaeger_api import Api1, Api3, JaegerApi
from service.stores.jaeger_wire import Dependency
from service.stores.partial import with_notes
from service.stores.trace_sampling import FOCUS, Asked, Found, TracePlan, known_among, sampled_spans
from service.telemetry import NAME

LOOKBACK = timedelta(days=1)
"""Who calls whom is asked for so long before: many servers count it once a day."""
SCOUTS, SCOUTED = 4, 5
"""Where nothing tells at which services traces begin, so many services are asked for so many traces each."""


class Jaeger:
    """Answers for traces and, where the server knows dependencies, for topology.

    Version 1 of the query API where it is there, else version 3.
    """

    def __init__(self, backend: Backend, plan: TracePlan | None = None) -> None:
        self._backend = backend
        self._plan = plan or TracePlan()
        self._api: JaegerApi | None = None
        """The version that answers: None until one did."""

    @property
    def name(self) -> str:
        """What people call it."""
        return self._backend.name

    async def spans(self, window: Window, alerting: Sequence[str] = (), traces: Sequence[str] = ()) -> pa.Table:
        """Spans of the window, a sample where there are many (`trace_sampling`). Raises `BackendError`."""
        return await sampled_spans(self, window, alerting, self._plan, traces)

    async def topology(self, window: Window) -> pa.Table:
        """Who calls whom, as counted in the day before the window's end; empty where the server does not count.

        Raises `BackendError`.
        """
        api, _ = await self._opened()
        links = await _dependencies(api, window)
        rows = [{"source": link.parent, "target": link.child, "relation": "calls"} for link in links]
        table = conform(pa.Table.from_pylist(rows, schema=TOPOLOGY), TOPOLOGY, self.name)
        return table if rows else with_notes(table, [f"{self.name} counts no calls between services: traces tell them"])

    async def found(self) -> str:
        """What answers there, in one line. Raises `BackendError`."""
        _, services = await self._opened()
        return f"{self.name} {self._backend.access.shown}: {len(services)} services"

    async def focus(self, window: Window, alerting: Sequence[str]) -> Sequence[str]:
        """Services that alert, as far as the server knows them; else those at which traces begin, busiest first."""
        api, known = await self._opened()
        if chosen := known_among(alerting, known):
            return chosen
        entries = await _entries(api, window) or await _scouted(api, window, [name for name in known if name != NAME])
        return entries[:FOCUS]

    async def search(self, asked: Asked) -> Found:
        """Traces through a service. Raises `BackendError`."""
        api = self._api or (await self._opened())[0]
        return replace(await api.search(asked), query=f"/api/traces?{urlencode({'service': asked.service})}")

    async def trace(self, trace_id: str, window: Window) -> pa.Table:
        """The spans of one trace, none if it is not there. Raises `BackendError`."""
        api = self._api or (await self._opened())[0]
        return await api.trace(trace_id)

    async def _opened(self) -> tuple[JaegerApi, Sequence[str]]:
        """The version that answers, and the services that it knows. For a version that is gone its page may answer."""
        if self._api is not None:
            return self._api, await self._api.services()
        first, then = Api1(self._backend), Api3(self._backend)
        try:
            opened: tuple[JaegerApi, Sequence[str]] = first, await first.services()
        except BackendError as error:
            try:
                opened = then, await then.services()
            except BackendError:
                raise error from None
        self._api = opened[0]
        return opened


async def _entries(api: JaegerApi, window: Window) -> list[str]:
    """Services that call and that nobody calls; nothing where dependencies are not known."""
    try:
        links = await _dependencies(api, window)
    except BackendError:
        return []
    called = {link.child for link in links if link.child != link.parent}
    calls = Counter[str]()
    for link in links:
        if link.parent not in called:
            calls[link.parent] += link.calls
    return [name for name, _ in calls.most_common() if name != NAME]


async def _dependencies(api: JaegerApi, window: Window) -> Sequence[Dependency]:
    return await api.dependencies(Window(min(window.start, window.end - LOOKBACK), window.end))


async def _scouted(api: JaegerApi, window: Window, known: Sequence[str]) -> list[str]:
    """Services at which a few traces begin."""
    some = known[:: max(1, -(-len(known) // SCOUTS))]
    found = await gather(*(api.search(Asked(name, window, SCOUTED)) for name in some))
    roots = Counter[str]()
    for one in found:
        parents, services = (one.spans.column(name).to_pylist() for name in ("parent_span_id", "service"))
        roots.update(names.parted(str(name))[1] for parent, name in zip(parents, services, strict=True) if not parent)
    return [name for name, _ in roots.most_common()] or list(some)
