import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

import pyarrow as pa

from service.concurrency import gather
from service.domain.evidence import Evidence, Signal
from service.domain.incident import Incident
from service.domain.window import Window
from service.errors import BackendError
from service.evidence.assess import assess
from service.evidence.tables import Compared, Tables
from service.ports import CHANGES, LOGS, METRICS, SPANS, TOPOLOGY, Telemetry
from service.stores.case_tables import outside, within
from service.stores.evening import evened
from service.stores.partial import ANY, bare, notes_of, queries_of
from service.stores.patience import patience
from service.telemetry import span
from service.view.callees import with_callees
from service.view.identity import about_named, in_namespaces
from service.view.ourselves import without_ourselves
from service.view.sampling import sampled
from service.view.subjects import subjects
from service.view.topology import build_graph
from service.view.versions import with_versions
from service.view.view import View

CHANGES_BEFORE = timedelta(hours=1)
"""How far before the window a change still matters: a deployment may need that long to do its harm."""

STORES_SHARE = 0.9
"""The part of the time that stores know of: what they have by then is taken, not lost."""

Ask = Callable[[Window], Awaitable[pa.Table]]


async def open_view(incident: Incident, telemetry: Telemetry, timeout_s: float = 10.0) -> View:
    """Fetches what the incident can see, all signals at once, and computes its evidence.

    A store that fails, answers with other columns than the port promises, or needs longer than ``timeout_s`` for an
    answer costs its signal and leaves a note; so does a signal without a source or a baseline. Whatever else a store
    raises (`service.errors.CaseError` of a recorded case that is damaged) goes through, the first of several alone.
    """
    try:
        with patience(STORES_SHARE * timeout_s):
            fetched = await _fetch(incident, telemetry, timeout_s)
    except ExceptionGroup as group:  # signals are fetched side by side; the first that fails tells enough
        raise group.exceptions[0] from None
    # In a thread: it computes for long enough to keep a server from answering anybody else.
    return await asyncio.to_thread(_viewed, incident, fetched, qualified=telemetry.qualified)


BASELINE = "its baseline: "
"""Begins what a note says of the time that now is compared with."""


@dataclass(frozen=True, slots=True)
class _Fetched:
    """What the stores answered; ``queries`` as `service.stores.partial` has them."""

    tables: Tables
    notes: tuple[str, ...]
    queries: Mapping[Signal, Mapping[str, str]]

    def query(self, evidence: Evidence) -> str:
        """How the rows that it comes from were asked for."""
        asked = self.queries.get(evidence.signal, {})
        about = {Signal.METRICS: evidence.subject, Signal.LOGS: evidence.severity}
        return asked.get(about.get(evidence.signal, evidence.component.name)) or asked.get(ANY, "")


def _viewed(incident: Incident, fetched: _Fetched, *, qualified: bool) -> View:
    """What is looked at of the tables, and the evidence in it."""
    tables, thinned = sampled(fetched.tables)
    tables, namespaces = in_namespaces(tables) if qualified else (tables, dict[str, str]())
    tables, folded = with_versions(tables)
    tables = with_callees(tables)
    graph = build_graph(tables)
    about = subjects(incident.alerts, graph, namespaces)
    if graph.services:
        incident, tables = replace(incident, alerting=about.services), replace(tables, alerting=about.services)
    else:  # nothing is known at all: what the alerts name must do
        graph = build_graph(replace(tables, alerting=incident.alerting_services))
    assessment = assess(tables, graph)
    evidence = tuple(replace(row, query=fetched.query(row)) for row in about_named(assessment.evidence, graph))
    notes = (*fetched.notes, *thinned, *folded, *about.notes)
    return View(incident, tables, graph, evidence, assessment.onset, notes, assessment.calls, assessment.new_pods)


async def _fetch(incident: Incident, telemetry: Telemetry, timeout_s: float) -> _Fetched:
    traces, logs, metrics, changes, topology = (
        _Source("traces", _spans_of(incident, telemetry), SPANS, timeout_s),
        _Source("logs", telemetry.logs.logs if telemetry.logs else None, LOGS, timeout_s),
        _Source("metrics", _metrics_of(incident, telemetry), METRICS, timeout_s),
        _Source("changes", telemetry.changes.changes if telemetry.changes else None, CHANGES, timeout_s),
        _Source("topology", telemetry.topology.topology if telemetry.topology else None, TOPOLOGY, timeout_s),
    )
    window, baselines = incident.window, incident.baselines
    changed = Window(window.start - CHANGES_BEFORE, window.end)
    async with asyncio.TaskGroup() as group:
        spans_task = group.create_task(traces.compared(window, baselines.get(Signal.TRACES)))
        logs_task = group.create_task(logs.compared(window, baselines.get(Signal.LOGS)))
        metrics_task = group.create_task(metrics.compared(window, baselines.get(Signal.METRICS)))
        changes_task = group.create_task(changes.rows(changed))
        topology_task = group.create_task(topology.rows(window))
    alerted_at = incident.alerted_at
    tables = Tables(
        alerted_at=alerted_at if window.start <= alerted_at <= window.end else window.end,
        spans=spans_task.result(),
        logs=logs_task.result(),
        metrics=metrics_task.result(),
        changes=changes_task.result(),
        topology=topology_task.result(),
    )
    notes = tuple(note for source in (traces, logs, metrics, changes, topology) for note in source.notes)
    queries = {Signal.TRACES: traces.queries, Signal.LOGS: logs.queries, Signal.METRICS: metrics.queries}
    return _Fetched(without_ourselves(tables), notes, queries)


def _spans_of(incident: Incident, telemetry: Telemetry) -> Ask | None:
    """Traces of now are those that metrics give as examples, beside others."""
    store, exemplars = telemetry.traces, telemetry.exemplars
    if store is None:
        return None

    async def ask(window: Window) -> pa.Table:
        if exemplars is None or window != incident.window:
            return await store.spans(window, incident.named_services)
        traces = await exemplars.exemplars(window, incident.alerts)
        return await store.spans(window, incident.named_services, traces)

    return ask


def _metrics_of(incident: Incident, telemetry: Telemetry) -> Ask | None:
    store = telemetry.metrics
    return None if store is None else partial(store.metrics, alerts=incident.alerts)


@dataclass(slots=True)
class _Source:
    """One store of one incident: asked with a limit, it answers with rows or with a note."""

    name: str
    ask: Ask | None
    schema: pa.Schema
    timeout_s: float
    notes: list[str] = field(default_factory=list[str])
    queries: dict[str, str] = field(default_factory=dict[str, str])

    async def compared(self, window: Window, baseline: Window | None) -> Compared | None:
        """Rows now and before; a row of both times belongs to now."""
        if self.ask is None or baseline is None:
            now, before = await self.rows(window), None
        else:
            now, before = await gather(self.rows(window), self.rows(baseline, BASELINE))
            of_now = set(self.notes)  # what is so now need not be said of the baseline again
            self.notes = [n for n in self.notes if BASELINE not in n or n.replace(BASELINE, "", 1) not in of_now]
        if now is None:
            return None
        if before is None:
            self.notes.append(f"{self.name}: no baseline, nothing can be called new")
            return Compared(bare(now))
        return Compared(*await asyncio.to_thread(evened, now, outside(before, window)))

    async def rows(self, window: Window, what: str = "") -> pa.Table | None:
        """The store's rows of that time, None (and a note) if they cannot be had."""
        if self.ask is None:
            self.notes.append(f"{self.name}: no source")
            return None
        try:
            with span(f"fetch {self.name}", {"hypocenter.window": "baseline" if what else "incident"}):
                async with asyncio.timeout(self.timeout_s):
                    answer = await self.ask(window)
        except TimeoutError:
            self.notes.append(f"{self.name}: {what}did not answer within {self.timeout_s:g} s")
            return None
        except BackendError as error:
            self.notes.append(f"{self.name}: {what}{error}")
            return None
        if not answer.schema.equals(self.schema):
            self.notes.append(f"{self.name}: {what}answered with other columns than asked for")
            return None
        self.notes += (f"{self.name}: {what}{note}" for note in notes_of(answer))
        self.queries = queries_of(answer) | self.queries if what else self.queries | queries_of(answer)
        return answer if self.schema is TOPOLOGY else within(answer, window)
