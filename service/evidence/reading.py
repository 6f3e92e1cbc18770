"""The telemetry of one incident, read once, and compared as often as there are times to compare."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from service.domain.component import Component, ComponentKind
from service.domain.evidence import Evidence
from service.domain.graph import ServiceGraph
from service.evidence.fluctuations import Peers, Series, metric_evidence, peers_of, read_series
from service.evidence.instances import instance_evidence, new_pods, of_new_pods, runs, version_rows
from service.evidence.lineage import Bools, Floats
from service.evidence.lines import Lines, read_lines
from service.evidence.log_lines import log_evidence
from service.evidence.metric_class import about_host
from service.evidence.spans import Spans, places, read_spans
from service.evidence.stretch import Stretch
from service.evidence.structure import structure_evidence
from service.evidence.tables import Tables
from service.evidence.timing import timing_evidence


@dataclass(frozen=True)
class Reading:
    """Spans, log lines and series that have a baseline; None, or none, where a signal has no rows or no baseline.

    ``alerted_at_us`` is what seconds count from. ``begin_s`` and ``end_s`` are the first and last moment of the window
    of which any of them tells.
    """

    graph: ServiceGraph
    alerted_at_us: int
    spans: Spans | None
    lines: Lines | None
    series: Sequence[Series]
    begin_s: float
    end_s: float

    @cached_property
    def began_s(self) -> Floats:
        """When the trace of each span began."""
        return np.zeros(0) if self.spans is None else (self.spans.began_us - self.alerted_at_us) / 1e6

    @cached_property
    def peers(self) -> list[Peers]:
        """The series of each metric."""
        return peers_of(self.series)

    def compare(self, after: Stretch, reference: Stretch | None = None) -> list[Evidence]:
        """A row for all that can be compared between a stretch of the window and its baseline, or another stretch."""
        rows = [_of_host(row, self.graph) for row in metric_evidence(self.peers, after, reference)]
        part, place = None, np.full(1, -1, np.int64)
        if self.spans is not None:
            now, before = _split(self.spans.now, self.began_s, after, reference)
            place = places(np.flatnonzero(now | before), len(self.spans))
            if now.any() and before.any():
                part = self.spans.between(now, before)
                rows += [*timing_evidence(part), *structure_evidence(part), *instance_evidence(part)]
        if self.lines is not None:
            now, before = _split(self.lines.now, self.lines.seconds, after, reference)
            rows += log_evidence(self.lines, now, before, part, place, self.graph)
        return rows if reference is not None or self.spans is None else rows + self._versions(self.spans, after)

    def _versions(self, spans: Spans, after: Stretch) -> list[Evidence]:
        """What executions in new pods no longer do, or do now, that those in pods with a past do at the same time."""
        if not (new := self.new_pods):
            return []
        now, is_new = spans.now & after.of(self.began_s), of_new_pods(spans, new)
        if not (now & is_new).any():
            return []
        part = spans.between(now & is_new, now & ~is_new)
        rows = list(structure_evidence(part))
        if self.lines is not None:
            owner = self.lines.owner
            written = (owner >= 0) & self.lines.now & now[owner]
            place = places(np.flatnonzero(now), len(spans))
            rows += log_evidence(self.lines, written & is_new[owner], written & ~is_new[owner], part, place, self.graph)
        return list(version_rows(rows, new, spans))

    def calls(self, after: Stretch) -> frozenset[tuple[str, str]]:
        """Who is seen to call whom in that stretch, as far as traces tell."""
        if self.spans is None:
            return frozenset()
        now, before = _split(self.spans.now, self.began_s, after, None)
        return self.spans.between(now, before).calls

    @cached_property
    def new_pods(self) -> dict[str, frozenset[str]]:
        """The pods without a past of each service that runs others beside them: by spans, by series where none is."""
        if self.spans is not None:
            return new_pods(runs(self.spans))
        pods = (one for one in self.series if one.kind == ComponentKind.POD)
        return new_pods((one.service, one.component, now) for one in pods for now in (True, *[False] * len(one.before)))


def _split(is_now: Bools, seconds: Floats, after: Stretch, reference: Stretch | None) -> tuple[Bools, Bools]:
    """Which rows are compared with which."""
    return is_now & after.of(seconds), ~is_now if reference is None else is_now & reference.of(seconds)


def read(tables: Tables, graph: ServiceGraph) -> Reading:
    """What of the tables can be compared."""
    alerted_at_us = round(tables.alerted_at.timestamp() * 1e6)
    spans = span_table = lines = None
    if tables.spans is not None and tables.spans.before is not None and len(tables.spans.now):
        spans, span_table = read_spans(tables.spans, graph), tables.spans.together
    if tables.logs is not None and tables.logs.before is not None:
        lines = read_lines(tables.logs, spans, span_table, alerted_at_us)
    metrics = tables.metrics if tables.metrics is not None and tables.metrics.before is not None else None
    series = [] if metrics is None else list(read_series(metrics, alerted_at_us))
    begin_s, end_s = _extent(tables, alerted_at_us)
    return Reading(graph, alerted_at_us, spans, lines, series, begin_s, end_s)


def _extent(tables: Tables, alerted_at_us: int) -> tuple[float, float]:
    """The first and last moment of the window's rows, in seconds from the alert; the alert where there are none."""
    columns = ((tables.spans, "start"), (tables.logs, "time"), (tables.metrics, "time"))
    times = [np.asarray(c.now[name].cast(pa.int64())) for c, name in columns if c is not None and len(c.now)]
    if not times:
        return 0.0, 0.0
    first, last = min(int(t.min()) for t in times), max(int(t.max()) for t in times)
    return (first - alerted_at_us) / 1e6, (last - alerted_at_us) / 1e6


def _of_host(row: Evidence, graph: ServiceGraph) -> Evidence:
    """A series about the machine that is reported for a pod belongs to the node, where the node is known."""
    if row.component.kind is ComponentKind.NODE or not about_host(row.subject):
        return row
    owner = graph.owner(row.component)
    hosts = graph.hosts.get(owner.name, ())
    return replace(row, component=Component(ComponentKind.NODE, hosts[0])) if len(hosts) == 1 else row
