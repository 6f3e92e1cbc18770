"""The statistical rank: orders components by all evidence, without a model. Fallback, prior, and the floor to beat.

Each row of evidence speaks against one component with a strength between 0 and 1 (how significant times how large).
The strongest row of each feature counts with the feature's weight, and the weighted sum is the component's suspicion.
Two things are explained away: a gap belongs to the end of the edge whose other edges are bad too, and symptoms that a
callee can cause count less where a callee has as much against it.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from math import log2

from service.domain.component import Component, ComponentKind, edge, edge_ends, service
from service.domain.evidence import Evidence, EvidenceKind
from service.domain.graph import ServiceGraph
from service.domain.localization import Suspect
from service.evidence.units import bytes_per_second
from service.rank.constants import NOTICEABLE, RankConstants
from service.rank.faults import guess_fault
from service.rank.features import Feature, Symptoms, feature_of, worst
from service.view.view import View

_TIMES = frozenset({EvidenceKind.GAP, EvidenceKind.SELF_TIME, EvidenceKind.LATENCY})

# Kinds of which thousands of pairs are compared in one incident.
_OF_MANY = frozenset(
    {EvidenceKind.LOST_CALL, EvidenceKind.NEW_CALL, EvidenceKind.CALLS, EvidenceKind.LOG_LESS, EvidenceKind.LOG_GONE}
)

# Symptoms that a callee can cause, by what kind of trouble they are; all other features are a component's own.
_SLOWNESS = frozenset(
    {Feature.GAP, Feature.SELF_TIME, Feature.CALL_TIME, Feature.LATENCY, Feature.METRIC_LATENCY, Feature.POOL}
)
_FAILURE = frozenset(
    {
        Feature.ERRORS,
        Feature.UNANSWERED,
        Feature.LOG_TROUBLE,
        Feature.LOG_OTHER,
        Feature.LOST_CALL,
        Feature.LOST_LINE,
        Feature.NEW_CALL,
    }
    | {Feature.METRIC_ERROR, Feature.CALLS, Feature.SILENCE, Feature.CALLEES}
)
_RESOURCES = frozenset({Feature.CPU, Feature.MEMORY, Feature.DISK})
# What a callee shows when it causes them.
_CAUSES_SLOWNESS = _SLOWNESS | _RESOURCES
_CAUSES_FAILURE = _FAILURE | {Feature.RESTART, Feature.CALL_TIME, Feature.GAP}

ROWS_OF_A_SUSPECT = 5


def rank(view: View, constants: RankConstants | None = None) -> tuple[Suspect, ...]:
    """Services and nodes with anything against them, most suspect first; ties in the graph's order."""
    constants = constants or RankConstants()
    constants = constants.with_traces() if view.tables.spans is not None else constants
    symptoms = component_symptoms(view.graph, view.evidence, constants)
    scores = _explained_away(view.graph, symptoms, constants)
    scores = _within_reach(view, scores, constants)
    order = {service(name): position for position, name in enumerate(view.graph.services)}
    ranked = sorted(scores.items(), key=lambda item: (-item[1], order.get(item[0], len(order))))
    return tuple(_suspect(component, score, symptoms[component], constants) for component, score in ranked if score > 0)


def component_symptoms(
    graph: ServiceGraph, evidence: Iterable[Evidence], constants: RankConstants
) -> dict[Component, Symptoms]:
    """What speaks against each service and node."""
    rows = list(evidence)
    blamed = _blame_edges(graph, rows, constants)
    symptoms: defaultdict[Component, Symptoms] = defaultdict(Symptoms)
    for row in rows:
        if (feature := feature_of(row, graph)) is None:
            continue
        owner = graph.owner(row.component)
        component = blamed.get(row.component, owner) if feature is Feature.GAP else owner
        symptoms[component].add(feature, strength(row, constants), row)
    slow = {component for component, found in symptoms.items() if _is_slow(found)}
    slow |= {Component(ComponentKind.NODE, n) for component in slow for n in graph.hosts.get(component.name, ())}
    for component, found in symptoms.items():
        _discount_the_uncorroborated(found, component in slow, constants)
    return dict(symptoms)


def _is_slow(found: Symptoms) -> bool:
    return any(found.strengths.get(feature, 0.0) > NOTICEABLE for feature in _SLOWNESS)


def _discount_the_uncorroborated(found: Symptoms, slow: bool, constants: RankConstants) -> None:
    """A resource counts in full only where something is slow, a change only where its component is slow or fails."""
    if not slow:
        for feature in _RESOURCES & found.strengths.keys():
            found.strengths[feature] *= constants.idle_resource
    harm = [s for feature, s in found.strengths.items() if feature in _SLOWNESS | _FAILURE]
    if Feature.CHANGE in found.strengths and max(harm, default=0.0) <= NOTICEABLE:
        found.strengths[Feature.CHANGE] *= constants.lone_change


def strength(row: Evidence, constants: RankConstants) -> float:
    """0 to 1: significance (a saturating function of the score) times size (impact of times, ratio of series)."""
    if row.kind in _TIMES:
        significance = row.score / (row.score + constants.half_time)
        return significance if row.impact is None else significance * row.impact / (row.impact + constants.half_impact)
    if row.kind is EvidenceKind.METRIC:
        peers = 1.0 if row.impact is None else row.impact / (row.impact + constants.half_peer)
        size = _size(row, constants.full_doublings) * _flow(row, constants.half_flow)
        return row.score / (row.score + constants.half_series) * peers * size
    score = max(row.score - constants.chance, 0.0) if row.kind in _OF_MANY else row.score
    return score / (score + constants.half_share)


def _size(row: Evidence, full_doublings: float) -> float:
    """How large the change of a series is, on a logarithmic scale; from nothing to something is full size."""
    if not row.before or not row.now:
        return 1.0
    return min(abs(log2(abs(row.now / row.before))) / full_doublings, 1.0)


def _flow(row: Evidence, half_flow: float) -> float:
    """How much the change of a disk's or network's use is, whatever it was before; of another series, full size."""
    moved = bytes_per_second(abs(row.now - (row.before or 0.0)), row.unit)
    return 1.0 if moved is None else moved / (moved + half_flow)


def _blame_edges(graph: ServiceGraph, rows: list[Evidence], constants: RankConstants) -> Mapping[Component, Component]:
    """For each edge with a gap the end that it is blamed on: the one more of whose edges are bad; else the callee.

    A slow network at one pod, or a pod without cpu, shows on all its edges, in and out; the other ends have edges
    that are well.
    """
    blamed: dict[Component, Component] = {}
    gaps: dict[Component, float] = {}
    for row in rows:
        if feature_of(row, graph) is Feature.GAP:
            gaps[row.component] = max(gaps.get(row.component, 0.0), strength(row, constants))
    top = max(gaps.values(), default=0.0) or 1.0
    blame: defaultdict[str, float] = defaultdict(float)
    for caller, callee in ((a, b) for a in graph.services for b in graph.callees(a)):
        bad = gaps.get(edge(caller, callee), 0.0) / top
        for end in (caller, callee):
            blame[end] += bad - constants.edge_penalty * (1 - bad)
    for component in gaps:
        caller, callee = edge_ends(component)
        blamed[component] = service(caller if blame[caller] > blame[callee] else callee)
    return blamed


def _explained_away(
    graph: ServiceGraph, symptoms: Mapping[Component, Symptoms], constants: RankConstants
) -> dict[Component, float]:
    """Suspicion of each component: the weighted sum of its features, less what others explain of it.

    Slowness is explained by a callee that is slow or short of a resource, or by a host that is short of one; failure by
    a callee that fails. Who is no longer asked explains nothing of its caller's failure: its own is the consequence.
    Whom calls lead to what is down has nothing of its own.
    """
    down = {component for component, found in symptoms.items() if Feature.DOWN in found.strengths}
    down_names = {component.name for component in down}

    def total(component: Component, features: Container[Feature]) -> float:
        found = symptoms.get(component)
        strengths = found.strengths if found else {}
        return sum(constants.weights[f] * s for f, s in strengths.items() if f in features)

    def explained(component: Component, found: Symptoms) -> float:
        slowness, failure = total(component, _SLOWNESS), total(component, _FAILURE)
        if down and component not in down and down_names & graph.reach((component.name,)):
            return slowness + failure
        callees = [service(name) for name in graph.callees(component.name)]
        asked = [callee for callee in callees if not _hardly_asked(symptoms.get(callee))]
        possible = [total(callee, _CAUSES_SLOWNESS) for callee in callees]
        possible += [total(host, _RESOURCES) for host in _crowded(graph, component, symptoms)]
        failing_below = max((total(callee, _CAUSES_FAILURE) for callee in asked), default=0.0)
        by_callees = failure if _hardly_asked(found) else min(failure, failing_below)
        return constants.explained * (min(slowness, max(possible, default=0.0)) + by_callees)

    return {component: total(component, Feature) - explained(component, found) for component, found in symptoms.items()}


def _crowded(graph: ServiceGraph, component: Component, symptoms: Mapping[Component, Symptoms]) -> Iterator[Component]:
    """The hosts of a component that are short of a resource which nothing of ours that runs there has taken."""
    for name in graph.hosts.get(component.name, ()):
        host = Component(ComponentKind.NODE, name)
        short = _short_of(symptoms.get(host))
        taken = {f for hosted in graph.hosted(name) for f in _short_of(symptoms.get(service(hosted)))}
        if short - taken:
            yield host


def _short_of(found: Symptoms | None) -> set[Feature]:
    return {f for f in _RESOURCES if found is not None and found.strengths.get(f, 0.0) > NOTICEABLE}


def _within_reach(view: View, scores: dict[Component, float], constants: RankConstants) -> dict[Component, float]:
    """Less for services to which no calls lead from the alerting ones, where the graph knows any calls of these."""
    graph = view.graph
    reached = graph.reach(view.incident.alerting_services)
    if len(reached) < 2:
        return scores
    near = {service(name) for name in reached}
    near |= {Component(ComponentKind.NODE, node) for name in reached for node in graph.hosts.get(name, ())}
    return {c: score if c in near else score * constants.out_of_reach for c, score in scores.items()}


def _hardly_asked(found: Symptoms | None) -> bool:
    """Whether requests do not get there any more, though nobody calls in vain: a caller has stopped asking."""
    return found is not None and Feature.SILENCE in found.strengths and Feature.UNANSWERED not in found.strengths


def _suspect(component: Component, score: float, symptoms: Symptoms, constants: RankConstants) -> Suspect:
    weighted = {f: constants.weights[f] * s for f, s in symptoms.strengths.items()}
    telling = sorted(weighted, key=lambda f: -weighted[f])
    rows = [symptoms.rows[feature][0] for feature in telling]
    rows += worst((row for feature in telling for row in symptoms.rows[feature][1:]), ROWS_OF_A_SUSPECT)
    return Suspect(component, guess_fault(weighted, symptoms), score, tuple(dict.fromkeys(rows))[:ROWS_OF_A_SUSPECT])
