from collections.abc import Sequence

from service.domain.component import Component, ComponentKind
from service.domain.evidence import Evidence
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
    return Cause(
        component=suspect.component,
        fault=suspect.fault,
        confidence=confidence,
        reason=reason(suspect.component, evidence),
        path=_path(view, suspect.component),
        evidence=evidence,
    )


def _telling(view: View, component: Component, evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """Rows about the component itself first: a reason should not rest on a neighbour's symptom."""
    return tuple(sorted(evidence, key=lambda e: view.graph.owner(e.component) != component))


def _path(view: View, component: Component) -> tuple[str, ...]:
    """The way along calls from what alerts; to a node, by a service that runs on it."""
    sources = view.incident.alerting_services
    if component.kind is not ComponentKind.NODE:
        return view.graph.path(sources, component.name)
    ways = [view.graph.path(sources, s) for s in view.graph.hosted(component.name)]
    return (*min(ways, key=len, default=()), component.name)
