from collections.abc import Sequence

from service.domain.component import Component, ComponentKind, edge_ends
from service.domain.evidence import Evidence
from service.domain.localization import Cause, Suspect
from service.rank.naming import named
from service.rank.reasons import reason
from service.view.view import View

MAX_CAUSES = 10
MAX_EVIDENCE = 5


def causes(
    view: View, ranking: Sequence[Suspect], confident: Sequence[float], prior: Sequence[Suspect] = ()
) -> tuple[Cause, ...]:
    """The answer's lines, every sentence of them written from evidence rows. What the statistics hold against a suspect
    (``prior``) says what it is called, whoever ranks it.
    """
    held = {suspect.component: suspect for suspect in prior}
    lines = zip(ranking[:MAX_CAUSES], confident, strict=False)
    return tuple(_cause(view, s, c, named(view, held.get(s.component, s))) for s, c in lines)


def _cause(view: View, suspect: Suspect, confidence: float, component: Component) -> Cause:
    rows = dict.fromkeys((*suspect.evidence, *view.of(suspect.component)))
    evidence = _telling(view, component, tuple(rows)[:MAX_EVIDENCE])
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
    return tuple(sorted(evidence, key=lambda e: component not in (e.component, view.graph.owner(e.component))))


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
