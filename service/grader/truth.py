from dataclasses import dataclass

from service.domain.component import Component, ComponentKind, edge_ends, service
from service.domain.fault import Fault
from service.domain.graph import ServiceGraph


@dataclass(frozen=True, slots=True)
class TrueCause:
    """One thing that was really broken."""

    component: Component
    fault: Fault = Fault.UNKNOWN


@dataclass(frozen=True, slots=True)
class Truth:
    """What was really broken in an incident; without causes, nothing was."""

    causes: tuple[TrueCause, ...]

    @property
    def edge_sources(self) -> frozenset[str]:
        """Callers of the edges that were broken: answers about edges from these are counted as the caller's."""
        return frozenset(edge_ends(c.component)[0] for c in self.causes if c.component.kind is ComponentKind.EDGE)


def collapse(component: Component, truth: Truth, graph: ServiceGraph) -> Component:
    """The component as it is counted: a pod as its service, a node as itself, an edge ``a->b`` as ``b``.

    An edge counts as ``a`` where the truth is an edge from ``a``: the case format's rule, for answers and truth alike.
    """
    if component.kind is ComponentKind.EDGE and (caller := edge_ends(component)[0]) in truth.edge_sources:
        return service(caller)
    return graph.owner(component)


def true_components(truth: Truth, graph: ServiceGraph) -> frozenset[Component]:
    """The true components, each as it is counted."""
    return frozenset(collapse(cause.component, truth, graph) for cause in truth.causes)
