"""From telemetry to evidence: the one way in."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from service.domain.component import Component, ComponentKind
from service.domain.evidence import Evidence, EvidenceKind
from service.domain.graph import ServiceGraph
from service.evidence.assessment import Assessment
from service.evidence.changes import change_evidence
from service.evidence.constants import ROWS_PER_SUBJECT
from service.evidence.fluctuations import metric_evidence
from service.evidence.log_lines import log_evidence
from service.evidence.metric_class import about_host
from service.evidence.onset import estimate_onset
from service.evidence.spans import Spans, read_spans
from service.evidence.structure import structure_evidence
from service.evidence.tables import Tables
from service.evidence.timing import timing_evidence


def assess(tables: Tables, graph: ServiceGraph) -> Assessment:
    """Everything that the tables say against their baselines, worst first, with ids e0, e1, … in that order.

    A signal without a baseline gives no rows: it can be described, never called new.
    """
    alerted_us = round(tables.alerted_at.timestamp() * 1e6)
    spans = _read(tables, graph)
    metrics = _metrics(tables, graph, alerted_us)
    onset = estimate_onset(tables.alerted_at, spans, metrics)
    rows = [*metrics]
    if spans is not None:
        rows += [*timing_evidence(spans), *structure_evidence(spans)]
    if tables.logs is not None and tables.logs.before is not None:
        rows += log_evidence(tables.logs, spans)
    if tables.changes is not None:
        onset_us = onset and round(onset.timestamp() * 1e6)
        rows += change_evidence(tables.changes, alerted_us, onset_us, graph.nodes())
    kept = [row for row in _worst(rows) if row.component.name]
    return Assessment(tuple(replace(row, id=f"e{number}") for number, row in enumerate(kept)), onset)


def _read(tables: Tables, graph: ServiceGraph) -> Spans | None:
    if tables.spans is None or tables.spans.before is None or not len(tables.spans.now):
        return None
    return read_spans(tables.spans, graph)


def _metrics(tables: Tables, graph: ServiceGraph, alerted_us: int) -> list[Evidence]:
    if tables.metrics is None or tables.metrics.before is None:
        return []
    return [_of_host(row, graph) for row in metric_evidence(tables.metrics, alerted_us)]


def _of_host(row: Evidence, graph: ServiceGraph) -> Evidence:
    """A series about the machine that is reported for a pod belongs to the node, where the node is known."""
    if row.component.kind is ComponentKind.NODE or not about_host(row.subject):
        return row
    owner = graph.owner(row.component)
    hosts = graph.hosts.get(owner.name, ())
    return replace(row, component=Component(ComponentKind.NODE, hosts[0])) if len(hosts) == 1 else row


def _worst(rows: Iterable[Evidence]) -> list[Evidence]:
    """Worst first, at most a handful for each component and kind; ties in the order in which they were found."""
    kept: list[Evidence] = []
    counts: Counter[tuple[Component, EvidenceKind]] = Counter()
    for row in sorted(rows, key=lambda r: -r.score):
        counts[row.component, row.kind] += 1
        if counts[row.component, row.kind] <= ROWS_PER_SUBJECT:
            kept.append(row)
    return kept
