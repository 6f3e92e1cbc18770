"""Whose own time it is, by series of latency alone: what callees got slower by is taken off, in milliseconds."""

import re
from collections.abc import Iterable

from service.domain.component import Component, ComponentKind, service
from service.domain.evidence import Evidence, EvidenceKind
from service.domain.graph import ServiceGraph
from service.evidence import metric_class as series

_STATISTICS = (("mean", "average", "avg"), ("p50", "50", "median"), ("p90", "90"), ("p95", "95"), ("p99", "99"))
"""Words in a metric's name that tell which statistic it is, best first: only means add up along calls."""

_WORDS = re.compile(r"[^a-z0-9]+")


def own_shares(evidence: Iterable[Evidence], graph: ServiceGraph) -> dict[Component, float]:
    """For each service that its series call slower, which part of that its callees do not explain, 0 to 1.

    They explain between what the slowest of them got slower by, if they are called side by side or not at every
    request, and what all did; the middle is taken.
    """
    rises: dict[Component, dict[int, float]] = {}
    for row in evidence:
        if _tells_latency(row):
            statistics = rises.setdefault(graph.owner(row.component), {})
            rank = _statistic(row.subject)
            statistics[rank] = max(statistics.get(rank, 0.0), row.now - (row.before or 0.0))
    return {component: _own(component, rises, graph) for component in rises}


def _tells_latency(row: Evidence) -> bool:
    return (
        row.kind is EvidenceKind.METRIC
        and row.component.kind is not ComponentKind.EDGE
        and series.metric_class(row.subject, row.unit) == series.LATENCY
        and not series.about_callees(row.subject)
    )


def _statistic(name: str) -> int:
    words = set(_WORDS.split(name.lower()))
    return next((i for i, of_statistic in enumerate(_STATISTICS) if words & set(of_statistic)), len(_STATISTICS))


def _own(component: Component, rises: dict[Component, dict[int, float]], graph: ServiceGraph) -> float:
    best = min(rises[component])
    rise = rises[component][best]
    if rise <= 0:
        return 1.0
    callees = [rises[service(name)] for name in graph.callees(component.name) if service(name) in rises]
    below = [max(0.0, of.get(best, min(of.values()))) for of in callees]
    return 1 - (min(rise, max(below, default=0.0)) + min(rise, sum(below))) / (2 * rise)
