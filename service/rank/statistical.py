"""The statistical rank: orders components by all evidence, without a model. Fallback, prior, and the floor to beat.

Each row of evidence speaks against one component, in one channel, by its effect. The largest effect of each channel
counts, and the root of the sum of their powers is the component's suspicion, less what others explain of it: a call
belongs to the end whose other calls are bad too, symptoms of a caller are less its own where a callee shows as much,
what stopped explains all above it, and a host explains that all who run on it are slow. Nothing of it is learned.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from service.domain.component import Component, ComponentKind, edge_ends, service
from service.domain.evidence import Evidence
from service.domain.graph import ServiceGraph
from service.domain.localization import Suspect
from service.evidence.changes import nearness
from service.evidence.constants import GONE_EFFECT
from service.rank.channels import CHANNELS, EXPLAINING, FAILURE, SLOWNESS, Channel
from service.rank.constants import RankConstants
from service.rank.ends import Call, blamed_ends
from service.rank.faults import guess_fault
from service.rank.features import Feature, feature_of
from service.rank.hosts import slow_hosts
from service.rank.latency import own_shares, tells_latency
from service.rank.symptoms import Symptoms, of_channels, total, worst
from service.view.view import View

ROWS_OF_A_SUSPECT = 5

_STANDARD = RankConstants()
_OF_CALLS = {
    Feature.GAP: SLOWNESS,
    Feature.CALL_TIME: SLOWNESS,
    Feature.ERRORS: FAILURE,
    Feature.UNANSWERED: FAILURE,
    Feature.METRIC_ERROR: FAILURE,
}
"""Features that, shown by calls, are blamed on one of their ends; those of one kind of trouble together."""

_CallRow = tuple[Feature, float, Evidence]
"""What a row about calls shows, and by which effect."""


def rank(view: View, constants: RankConstants = _STANDARD) -> tuple[Suspect, ...]:
    """Services and nodes with anything against them, most suspect first; ties in the graph's order."""
    symptoms = component_symptoms(view, constants)
    scores = suspicions(view, symptoms, constants)
    order = {service(name): position for position, name in enumerate(view.graph.services)}
    ranked = sorted(scores.items(), key=lambda item: (-item[1], order.get(item[0], len(order))))
    return tuple(_suspect(component, score, symptoms[component]) for component, score in ranked if score > 0)


def suspicions(
    view: View, symptoms: Mapping[Component, Symptoms], constants: RankConstants = _STANDARD
) -> dict[Component, float]:
    """How suspect each component is by its symptoms, less what others explain of them."""
    return _within_reach(view, _suspicions(view, symptoms, constants), constants)


def component_symptoms(view: View, constants: RankConstants) -> dict[Component, Symptoms]:
    """What speaks against each service and node."""
    graph, traced = view.graph, view.tables.spans is not None
    symptoms: defaultdict[Component, Symptoms] = defaultdict(Symptoms)
    own = own_shares(view.evidence, graph)
    calls: list[_CallRow] = []
    for row in view.evidence:
        if (feature := feature_of(row, graph)) is None:
            continue
        owner = graph.owner(row.component)
        if feature is Feature.CHANGE:
            symptoms[owner].rows[feature].append(row)
            symptoms[owner].changed = max(symptoms[owner].changed, nearness(row))
        elif row.component.kind is ComponentKind.EDGE and feature in _OF_CALLS:
            calls.append((feature, _effect(row, feature, own.get(row.component, 1.0), traced, constants), row))
        else:
            symptoms[owner].add(feature, _effect(row, feature, own.get(owner, 1.0), traced, constants), row)
    for name, pods in view.new_pods.items():
        if service(name) in symptoms:
            symptoms[service(name)].changed *= min(1.0, _contrast(symptoms[service(name)], pods))
    for of_kind in (SLOWNESS, FAILURE):
        _blame_calls([call for call in calls if _OF_CALLS[call[0]] is of_kind], view, symptoms, constants)
    _blame_hosts(graph, symptoms, constants)
    return dict(symptoms)


def _contrast(symptoms: Symptoms, new: Collection[str]) -> float:
    """By how much pods of a new version are worse than those of the old one that run beside them: the largest effect of
    rows about them. A change is suspect in that measure.
    """
    harmful = (row for feature, rows in symptoms.rows.items() if feature in CHANNELS for row in rows)
    return max((row.effect for row in harmful if row.component.name in new), default=0.0)


def _effect(row: Evidence, feature: Feature, own: float, traced: bool, constants: RankConstants) -> float:
    effect = GONE_EFFECT if feature is Feature.DOWN else row.effect
    timed = tells_latency(row)
    effect *= own if timed else 1.0
    return effect * constants.beside_traces if traced and (timed or feature is Feature.METRIC_ERROR) else effect


def _blame_calls(
    rows: Sequence[_CallRow],
    view: View,
    symptoms: defaultdict[Component, Symptoms],
    constants: RankConstants,
) -> None:
    """Count rows about calls against one of their ends."""
    bad: dict[Call, float] = {}
    for _, effect, row in rows:
        call = edge_ends(row.component)
        bad[call] = max(effect, bad.get(call, 0.0))
    blamed = blamed_ends(bad, view.calls or view.graph.calls, constants.edge_penalty)
    for feature, effect, row in rows:
        symptoms[service(blamed[edge_ends(row.component)])].add(feature, effect, row)


def _blame_hosts(graph: ServiceGraph, symptoms: defaultdict[Component, Symptoms], constants: RankConstants) -> None:
    """Count that all who run on a host are slow, and others are not, against the host."""
    slow = {c.name: of_channels(s, SLOWNESS, constants.power) for c, s in symptoms.items()}
    for node, excess in slow_hosts(graph, lambda name: min(slow.get(name, 0.0) / constants.slow_host, 1.0)):
        if excess > constants.host_excess:
            hosted = [name for name in graph.hosted(node) if name in slow]
            host = symptoms[Component(ComponentKind.NODE, node)]
            host.channels[Channel.HOST] = excess * total((slow[name] for name in hosted), constants.power)
            theirs = (rows[0] for name in hosted for rows in symptoms[service(name)].rows.values() if rows)
            host.rows[Feature.LATENCY] += worst(theirs, ROWS_OF_A_SUSPECT)


def _suspicions(view: View, symptoms: Mapping[Component, Symptoms], constants: RankConstants) -> dict[Component, float]:
    """Of each component the effects of its channels as one, less what others explain. A change whose new pods are
    measured beside old ones has been weighed by itself: that others were changed too takes nothing from it.
    """
    graph = view.graph
    stopped = {c.name for c, s in symptoms.items() if s.channels.get(Channel.STOPPED, 0.0) >= constants.down}
    rivals = max(1, sum(s.changed > constants.near_change for s in symptoms.values()))
    suspicions: dict[Component, float] = {}
    for component, own in symptoms.items():
        changed = own.changed if component.name in view.new_pods else own.changed / rivals
        explained = constants.explained * (1 - constants.changed_explained * changed)
        waits_for_stopped = component.name not in stopped and bool(stopped & graph.reach((component.name,)))
        left = _left(graph, component, symptoms, explained, waits_for_stopped, constants)
        suspicion = total(left.values(), constants.power) * (1 + constants.changed * changed)
        suspicions[component] = suspicion * (1 - constants.explained * _by_host(graph, component, symptoms, suspicion))
    return suspicions


def _left(
    graph: ServiceGraph,
    component: Component,
    symptoms: Mapping[Component, Symptoms],
    explained: float,
    waits_for_stopped: bool,
    constants: RankConstants,
) -> dict[Channel, float]:
    """The channels of a component without what its callees explain."""
    shown = symptoms[component].channels
    if waits_for_stopped:
        return {c: effect for c, effect in shown.items() if c not in SLOWNESS | FAILURE}
    left = dict(shown)
    callees = [symptoms[service(name)] for name in graph.callees(component.name) if service(name) in symptoms]
    for caused, causes in EXPLAINING.items():
        own = of_channels(symptoms[component], caused, constants.power)
        below = max((of_channels(callee, causes, constants.power) for callee in callees), default=0.0)
        if own > 0:
            left |= {c: left[c] * (1 - explained * min(1.0, below / own)) for c in caused & left.keys()}
    return left


def _by_host(
    graph: ServiceGraph, component: Component, symptoms: Mapping[Component, Symptoms], suspicion: float
) -> float:
    """Which part of a service's suspicion its slow host shows itself, 0 to 1."""
    if component.kind is ComponentKind.NODE or suspicion <= 0:
        return 0.0
    hosts = (symptoms.get(Component(ComponentKind.NODE, name)) for name in graph.hosts.get(component.name, ()))
    shown = max((host.channels.get(Channel.HOST, 0.0) for host in hosts if host is not None), default=0.0)
    return min(1.0, shown / suspicion)


def _within_reach(view: View, scores: dict[Component, float], constants: RankConstants) -> dict[Component, float]:
    """Less for services to which no calls lead from the alerting ones, where the graph knows any calls of these."""
    graph = view.graph
    reached = graph.reach(view.incident.alerting_services)
    if len(reached) < 2:
        return scores
    near = {service(name) for name in reached}
    near |= {Component(ComponentKind.NODE, node) for name in reached for node in graph.hosts.get(name, ())}
    return {c: score if c in near else score * constants.out_of_reach for c, score in scores.items()}


def _suspect(component: Component, score: float, symptoms: Symptoms) -> Suspect:
    largest = max(symptoms.channels.values(), default=0.0)
    effects = symptoms.features | {Feature.CHANGE: symptoms.changed * largest}
    telling = sorted(symptoms.rows, key=lambda f: (f not in CHANNELS and f is not Feature.CHANGE, -effects.get(f, 0.0)))
    rows = [symptoms.rows[feature][0] for feature in telling]
    rows += worst((row for feature in telling for row in symptoms.rows[feature][1:]), ROWS_OF_A_SUSPECT)
    return Suspect(component, guess_fault(symptoms), score, tuple(dict.fromkeys(rows))[:ROWS_OF_A_SUSPECT])
