"""Whose own time it is, by series of latency alone: what callees got slower by is taken off, in milliseconds."""

import re
from collections.abc import Iterable, Iterator, Mapping

from service.domain.component import Component, ComponentKind, edge, edge_ends, service
from service.domain.evidence import Evidence, EvidenceKind
from service.domain.graph import ServiceGraph
from service.evidence import metric_class as series

_STATISTICS = (("mean", "average", "avg"), ("p50", "50", "median"), ("p90", "90"), ("p95", "95"), ("p99", "99"))
"""Words in a metric's name that tell which statistic it is, best first: only means add up along calls."""

_WORDS = re.compile(r"[^a-z0-9]+")

Rises = Mapping[Component, Mapping[int, float]]
"""By how much each statistic of what services and calls take rose."""


def own_shares(evidence: Iterable[Evidence], graph: ServiceGraph) -> dict[Component, float]:
    """For each service, and for the calls between two, that series call slower: which part of that is not explained by
    who is called, 0 to 1.

    Callees explain between what the slowest of them got slower by, if they are called side by side or not at every
    request, and what all did; the middle is taken. Calls are explained by the callee that got slower itself.
    """
    rises: dict[Component, dict[int, float]] = {}
    for row in evidence:
        if tells_latency(row):
            calls = row.component.kind is ComponentKind.EDGE
            statistics = rises.setdefault(row.component if calls else graph.owner(row.component), {})
            rank = _statistic(row.subject)
            statistics[rank] = max(statistics.get(rank, 0.0), row.now - (row.before or 0.0))
    return {component: _own(component, rises, graph) for component in rises}


def tells_latency(row: Evidence) -> bool:
    """Whether a series tells how long a component, or calls from one to another, take."""
    return (
        row.kind is EvidenceKind.METRIC
        and series.metric_class(row.subject, row.unit) == series.LATENCY
        and (row.component.kind is ComponentKind.EDGE or not series.about_callees(row.subject))
    )


def _statistic(name: str) -> int:
    words = set(_WORDS.split(name.lower()))
    return next((i for i, of_statistic in enumerate(_STATISTICS) if words & set(of_statistic)), len(_STATISTICS))


def _own(component: Component, rises: Rises, graph: ServiceGraph) -> float:
    best = min(rises[component])
    rise = rises[component][best]
    if rise <= 0:
        return 1.0
    below = [max(0.0, of.get(best, min(of.values()))) for of in _below(component, rises, graph)]
    return 1 - (min(rise, max(below, default=0.0)) + min(rise, sum(below))) / (2 * rise)


def _below(component: Component, rises: Rises, graph: ServiceGraph) -> Iterator[Mapping[int, float]]:
    """What got slower in what a service, or a call, waits for: its calls, else whom it calls."""
    name = component.name
    if component.kind is ComponentKind.EDGE:
        name = edge_ends(component)[1]
        if service(name) in rises:
            yield rises[service(name)]
            return
    for callee in graph.callees(name):
        if (of := rises.get(edge(name, callee), rises.get(service(callee)))) is not None:
            yield of
