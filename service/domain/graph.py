from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from service.domain.component import Component, ComponentKind, edge_ends, service


class _Neighbours:
    """Of each service those that it calls and those that call it, in the graph's order."""

    def __init__(self, services: tuple[str, ...], calls: frozenset[tuple[str, str]]) -> None:
        order = {name: place for place, name in enumerate(services)}
        known = [(caller, callee) for caller, callee in calls if caller in order or callee in order]
        self.callees = _grouped(((a, b) for a, b in known if b in order), order)
        self.callers = _grouped(((b, a) for a, b in known if a in order), order)


def _grouped(pairs: Iterable[tuple[str, str]], order: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = {}
    for one, other in pairs:
        groups.setdefault(one, []).append(other)
    return {one: tuple(sorted(others, key=order.__getitem__)) for one, others in groups.items()}


@dataclass(frozen=True, slots=True)
class ServiceGraph:
    """Who calls whom and what runs where, in the order in which the data tells it: that order numbers the aliases.

    ``pods`` maps a pod to its service, ``hosts`` a service to the nodes that it runs on. A service is in the graph
    as soon as any telemetry names it, called by somebody or not. ``roles`` says what those are that write no spans and
    that their callers' spans name: database, cache, queue or external.
    """

    services: tuple[str, ...]
    calls: frozenset[tuple[str, str]] = frozenset()
    pods: Mapping[str, str] = field(default_factory=dict[str, str])
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    roles: Mapping[str, str] = field(default_factory=dict[str, str])
    _neighbours: "_Neighbours" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_neighbours", _Neighbours(self.services, self.calls))

    def callees(self, name: str) -> tuple[str, ...]:
        """Services that this one calls, in the graph's order."""
        return self._neighbours.callees.get(name, ())

    def callers(self, name: str) -> tuple[str, ...]:
        """Services that call this one, in the graph's order."""
        return self._neighbours.callers.get(name, ())

    def nodes(self) -> tuple[str, ...]:
        """All hosts, in the order of the services that run on them."""
        return tuple(dict.fromkeys(n for s in self.services for n in self.hosts.get(s, ())))

    def hosted(self, node: str) -> tuple[str, ...]:
        """Services that run on this node, in the graph's order."""
        return tuple(s for s in self.services if node in self.hosts.get(s, ()))

    def knows(self, component: Component) -> bool:
        """Whether the component exists here."""
        match component.kind:
            case ComponentKind.SERVICE:
                return component.name in self.services
            case ComponentKind.POD:
                return component.name in self.pods
            case ComponentKind.NODE:
                return component.name in self.nodes()
            case ComponentKind.EDGE:
                return edge_ends(component) in self.calls

    def alone(self, pod: str) -> bool:
        """Whether it is the only pod of its service that anything tells of."""
        return list(self.pods.values()).count(self.pods.get(pod, "")) == 1

    def owner(self, component: Component) -> Component:
        """The component collapsed to what is ranked: a pod to its service, an edge to its callee, a node stays."""
        match component.kind:
            case ComponentKind.POD:
                return service(self.pods.get(component.name, component.name))
            case ComponentKind.EDGE:
                return service(edge_ends(component)[1])
            case ComponentKind.SERVICE | ComponentKind.NODE:
                return component

    def reach(self, sources: Iterable[str]) -> frozenset[str]:
        """The sources and all services to which calls lead from them."""
        reached = {name for name in sources if name in self.services}
        queue = deque(reached)
        while queue:
            fresh = [name for name in self.callees(queue.popleft()) if name not in reached]
            reached.update(fresh)
            queue.extend(fresh)
        return frozenset(reached)

    def path(self, sources: Iterable[str], target: str) -> tuple[str, ...]:
        """The shortest way along calls from any of the sources to the target; only the target if there is none."""
        starts = [s for s in dict.fromkeys(sources) if s in self.services]
        came_from: dict[str, str | None] = dict.fromkeys(starts)
        queue = deque(starts)
        while queue:
            here = queue.popleft()
            if here == target:
                way = [here]
                while (previous := came_from[way[-1]]) is not None:
                    way.append(previous)
                return tuple(reversed(way))
            for callee in self.callees(here):
                if callee not in came_from:
                    came_from[callee] = here
                    queue.append(callee)
        return (target,)
