"""What an incident costs through the adapters: requests, bytes and seconds, and their share of the whole answer."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from model_store.bench_adapters import prometheus
from model_store.bench_adapters.exposition import openmetrics
from model_store.bench_adapters.incident import incident_of
from model_store.bench_adapters.servers import ALWAYS, serving
from service.agent.answering import Bench, answer
from service.agent.budget import Budget
from service.domain.alert import Alert
from service.domain.incident import Incident
from service.domain.localization import RankedBy
from service.domain.window import Window
from service.ports import LogStore, MetricStore, Telemetry, TraceStore
from service.stores.access import Access
from service.stores.backend import Backend, Spent
from service.stores.jaeger import Jaeger
from service.stores.loki import LokiLogs
from service.stores.prometheus import PrometheusMetrics
from service.stores.recorded import RecordedCase
from service.stores.tempo import Tempo
from service.stores.trace_sampling import TracePlan

PATIENCE_S = 60.0
PLAN = TracePlan(within_s=PATIENCE_S)
"""All that it asks for is waited for, however busy this machine is."""
SETS = (("jaeger", "loki", "prometheus"), ("tempo", "loki", "prometheus"))
"""Servers that answer for one incident together."""
HEADS = ("services", "server", "requests", "MB", "seconds", "of the answer's", "loop held")
PULSE_S = 0.005


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one server in one incident: what it was asked, and seconds from its first question to its last answer."""

    server: str
    spent: Spent
    seconds: float


@dataclass(frozen=True, slots=True)
class IncidentCost:
    """Of an incident of so many services: each server's cost, seconds until all had answered (they are asked at the
    same time), seconds of the whole localization, without a model, and for how long the event loop answered nobody.
    """

    services: int
    costs: tuple[Cost, ...]
    fetch_s: float
    whole_s: float
    held_s: float
    notes: tuple[str, ...] = ()

    def rows(self) -> Iterator[tuple[str, ...]]:
        """A row a server, and one for all."""
        together = Spent(sum(c.spent.requests for c in self.costs), sum(c.spent.bytes for c in self.costs))
        for cost in (*self.costs, Cost("together", together, self.fetch_s)):
            share = f"{cost.seconds / self.whole_s:.0%} of {self.whole_s:.2f} s"
            figures = (str(cost.spent.requests), f"{cost.spent.bytes / 1e6:.2f}", f"{cost.seconds:.2f}")
            yield (str(self.services), cost.server, *figures, share, f"{self.held_s:.2f}")


def table(services: Sequence[int]) -> Iterator[str]:
    """A line at a time, as they are measured."""
    if not prometheus.installed():
        yield "no Prometheus is installed here: metrics are left out"
    yield "| " + " | ".join(HEADS) + " |"
    yield "|" + "---|" * len(HEADS)
    for count in services:
        for cost in measure(count):
            yield from ("| " + " | ".join(row) + " |" for row in cost.rows())
            yield from (f"  {note}" for note in cost.notes if "did not" in note or "failed" in note)


def measure(services: int) -> Iterable[IncidentCost]:
    """One incident of a system of so many services, by each set of servers."""
    with contextlib.ExitStack() as opened:
        directory = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="hypocenter-bench-")))
        case = directory / "case"
        incident = incident_of(services, case)
        addresses = dict(opened.enter_context(serving(case)))
        if prometheus.installed():
            (directory / "prometheus").mkdir()
            past = openmetrics(asyncio.run(_metrics_of(case)))
            addresses["prometheus"] = opened.enter_context(prometheus.running(directory / "prometheus", past))
        for names in SETS:
            there = {name: addresses[name] for name in names if name in addresses}
            yield replace(asyncio.run(_localized(incident, there)), services=services)


async def _metrics_of(case: Path) -> pa.Table:
    recorded = RecordedCase.open(case).telemetry.metrics
    assert recorded is not None
    return await recorded.metrics(ALWAYS)


@dataclass(slots=True)
class _Watched:
    """A server's store, whose first question and last answer are remembered."""

    backend: Backend
    store: TraceStore | LogStore | MetricStore
    began: list[float] = field(default_factory=list[float])
    ended: list[float] = field(default_factory=list[float])

    async def spans(self, window: Window, alerting: Sequence[str] = (), traces: Sequence[str] = ()) -> pa.Table:
        assert isinstance(self.store, Jaeger | Tempo)
        return await self._timed(self.store.spans(window, alerting, traces))

    async def logs(self, window: Window) -> pa.Table:
        assert isinstance(self.store, LokiLogs)
        return await self._timed(self.store.logs(window))

    async def metrics(self, window: Window, alerts: Sequence[Alert] = ()) -> pa.Table:
        assert isinstance(self.store, PrometheusMetrics)
        return await self._timed(self.store.metrics(window, alerts))

    async def _timed(self, asked: Awaitable[pa.Table]) -> pa.Table:
        self.began.append(time.perf_counter())
        try:
            return await asked
        finally:
            self.ended.append(time.perf_counter())

    def cost(self) -> Cost:
        return Cost(self.backend.name, self.backend.spent, max(self.ended) - min(self.began))


BUILT: Mapping[str, tuple[str, Callable[[Backend], TraceStore | LogStore | MetricStore]]] = {
    "jaeger": ("Jaeger", lambda backend: Jaeger(backend, PLAN)),
    "tempo": ("Tempo", lambda backend: Tempo(backend, PLAN)),
    "loki": ("Loki", LokiLogs),
    "prometheus": ("Prometheus", PrometheusMetrics),
}


async def _localized(incident: Incident, addresses: Mapping[str, str]) -> IncidentCost:
    watched = {name: _watched(name, url) for name, url in addresses.items()}
    telemetry = Telemetry(
        traces=watched.get("jaeger") or watched.get("tempo"), logs=watched["loki"], metrics=watched.get("prometheus")
    )
    bench = Bench(telemetry, None, RankedBy.STATISTICAL, Budget(), 2 * PATIENCE_S, PATIENCE_S)
    pulse = _Pulse()
    beating = asyncio.create_task(pulse.beat())
    try:
        view, outcome = await answer(incident, bench)
    finally:
        beating.cancel()
        for one in watched.values():
            await one.backend.aclose()
    asked = watched.values()
    fetch_s = max(max(one.ended) for one in asked) - min(min(one.began) for one in asked)
    costs = tuple(one.cost() for one in asked)
    return IncidentCost(0, costs, fetch_s, outcome.localization.seconds, pulse.held_s, view.notes)


@dataclass(slots=True)
class _Pulse:
    """Wakes up again and again, and remembers the longest time by which it came late."""

    held_s: float = 0.0

    async def beat(self) -> None:
        while True:
            slept = time.perf_counter()
            await asyncio.sleep(PULSE_S)
            self.held_s = max(self.held_s, time.perf_counter() - slept - PULSE_S)


def _watched(name: str, url: str) -> _Watched:
    title, build = BUILT[name]
    backend = Backend(title, Access(url, read_s=PATIENCE_S, total_s=PATIENCE_S))
    return _Watched(backend, build(backend))
