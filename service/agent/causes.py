from collections.abc import Sequence

from service.domain.component import Component, ComponentKind, edge_ends
from service.domain.evidence import Evidence, EvidenceKind
from service.domain.localization import Cause, Suspect
from service.rank.reasons import reason
from service.view.view import View

MAX_CAUSES = 10
MAX_EVIDENCE = 5


def causes(view: View, ranking: Sequence[Suspect], confident: Sequence[float]) -> tuple[Cause, ...]:
    """The answer's lines, every sentence of them written from evidence rows."""
    return tuple(_cause(view, s, c) for s, c in zip(ranking[:MAX_CAUSES], confident, strict=False))


def _cause(view: View, suspect: Suspect, confidence: float) -> Cause:
    own = view.of(suspect.component)
    evidence = _telling(view, suspect.component, tuple(dict.fromkeys((*suspect.evidence, *own)))[:MAX_EVIDENCE])
    component = _between(own, evidence) or suspect.component
    return Cause(
        component=component,
        fault=suspect.fault,
        confidence=confidence,
        reason=reason(component, evidence),
        path=_path(view, component),
        evidence=evidence,
    )


def _telling(view: View, component: Component, evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """Rows about the component itself first: a reason should not rest on a neighbour's symptom."""
    return tuple(sorted(evidence, key=lambda e: view.graph.owner(e.component) != component))


def _between(own: Sequence[Evidence], evidence: Sequence[Evidence]) -> Component | None:
    """The calls to a suspect, if what tells most against it is that they wait, and only one caller's do: then the fault
    lies at the suspect's door or on the way there, and no telemetry tells which.
    """
    waiting = {e.component for e in own if e.kind is EvidenceKind.GAP and e.rising}
    return evidence[0].component if evidence and {evidence[0].component} == waiting else None


def _path(view: View, component: Component) -> tuple[str, ...]:
    """The way along calls from what alerts; to a node, by a service that runs on it; to calls, through both ends."""
    sources = view.incident.alerting_services
    match component.kind:
        case ComponentKind.NODE:
            ways = [view.graph.path(sources, s) for s in view.graph.hosted(component.name)]
            return (*min(ways, key=len, default=()), component.name)
        case ComponentKind.EDGE:
            caller, callee = edge_ends(component)
            return (*view.graph.path(sources, caller), callee)
        case _:
            return view.graph.path(sources, component.name)
